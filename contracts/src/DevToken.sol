// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Money to play with.
/// @notice For devnets only: anybody can make any amount of it, so it is worth nothing.
contract DevToken is ERC20, ERC20Permit {
    string private constant NAME = "Lode DevToken (devnets only)";

    /// @notice The most that one call of the faucet gives, in base units: a million tokens.
    uint256 public constant FAUCET_CAP = 1_000_000e6;

    /// @notice More was asked of the faucet than one call gives.
    error FaucetCapExceeded(uint256 asked, uint256 cap);

    constructor() ERC20(NAME, "DEV") ERC20Permit(NAME) {}

    /// @notice Makes `amount` base units for `to`, at most {FAUCET_CAP}. Anybody may call it, any number of times.
    function faucet(address to, uint256 amount) external {
        if (amount > FAUCET_CAP) revert FaucetCapExceeded(amount, FAUCET_CAP);
        _mint(to, amount);
    }

    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
