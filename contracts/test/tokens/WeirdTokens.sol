// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token that anybody can make, for the odd ones below to be odd in one way each.
contract MintableToken is ERC20 {
    constructor() ERC20("Weird", "WRD") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

/// @notice Whole units only.
contract NoDecimalsToken is MintableToken {
    function decimals() public pure override returns (uint8) {
        return 0;
    }
}

/// @notice Returns nothing where the standard asks for a bool, as USDT does.
contract NoReturnToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Keeps one percent of each transfer.
contract FeeToken is MintableToken {
    function _update(address from, address to, uint256 amount) internal override {
        uint256 fee = from == address(0) || to == address(0) ? 0 : amount / 100;
        super._update(from, to, amount - fee);
        if (fee != 0) super._update(from, address(0), fee);
    }
}

/// @notice Gives the receiver one unit more than asked.
contract BonusToken is MintableToken {
    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) super._update(address(0), to, 1);
    }
}

/// @notice Says true and moves nothing.
contract LyingToken is MintableToken {
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}

/// @notice Says false when told to, and moves nothing then.
contract FalseToken is MintableToken {
    bool public refuses;

    function setRefuses(bool refuses_) external {
        refuses = refuses_;
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return !refuses && super.transfer(to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return !refuses && super.transferFrom(from, to, amount);
    }
}

/// @notice Has a list of accounts that get nothing, as USDC does.
contract BlockingToken is MintableToken {
    error Blocked(address account);

    mapping(address => bool) public blocked;

    function setBlocked(address account, bool isBlocked) external {
        blocked[account] = isBlocked;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (blocked[to]) revert Blocked(to);
        super._update(from, to, amount);
    }
}

/// @notice Reverts on transfers of zero.
contract NoZeroToken is MintableToken {
    error ZeroTransfer();

    function _update(address from, address to, uint256 amount) internal override {
        if (amount == 0) revert ZeroTransfer();
        super._update(from, to, amount);
    }
}

/// @notice What a token with hooks calls before and after each transfer.
interface IHook {
    function onTransfer() external;
}

/// @notice Calls a hook before and after each transfer, as ERC-777 does.
contract HookToken is MintableToken {
    IHook public hook;

    function setHook(IHook hook_) external {
        hook = hook_;
    }

    function _update(address from, address to, uint256 amount) internal override {
        if (address(hook) != address(0)) hook.onTransfer();
        super._update(from, to, amount);
        if (address(hook) != address(0)) hook.onTransfer();
    }
}
