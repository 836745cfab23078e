// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Key} from "./Key.sol";
import {Messages} from "./Messages.sol";
import {State} from "./State.sol";
import {Channel, Claim, Deposit, IChannels, Signature, Voucher} from "./interfaces/IChannels.sol";

/// @title The escrow, as {IChannels} describes it.
/// @dev Nobody owns it, nothing can be paused, and no code can be replaced. Each state-changing function writes its
/// storage before it calls the token, and the one guard over all of them keeps a token's hooks from coming back in.
contract Channels is IChannels, EIP712, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    uint32 public constant MIN_CLOSE_DELAY = 1 hours;
    uint32 public constant MAX_CLOSE_DELAY = 30 days;

    /// Holds a state, so that there can be a storage pointer to it: the mapping is hashed once for each channel.
    struct Slot {
        State state;
    }

    mapping(bytes32 id => Slot) private _slots;

    constructor() EIP712("Lode Channels", "1") {}

    function deposit(Key calldata key, uint96 amount) external nonReentrant {
        _credit(key, amount);
        _pull(key.token, amount);
    }

    function depositWithPermit(Key calldata key, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
    {
        _credit(key, amount);
        try IERC20Permit(address(key.token)).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _pull(key.token, amount);
    }

    function depositMany(Deposit[] calldata deposits) external nonReentrant {
        uint256 i;
        while (i < deposits.length) {
            IERC20 token = deposits[i].key.token;
            uint256 sum;
            do {
                _credit(deposits[i].key, deposits[i].amount);
                sum += deposits[i].amount;
                ++i;
            } while (i < deposits.length && address(deposits[i].key.token) == address(token));
            _pull(token, sum);
        }
    }

    function claim(address payee, IERC20 token, Claim[] calldata claims) external nonReentrant returns (uint256 paid) {
        bytes32 separator = _domainSeparatorV4();
        Key memory key; // The parts that all claims share; each claim fills in the others.
        key.payee = payee;
        key.token = token;
        for (uint256 i; i < claims.length; ++i) {
            Claim calldata c = claims[i];
            bytes32 id = _claimId(key, c);
            Slot storage slot = _slots[id];
            State state = slot.state;

            uint96 cumulative = c.voucher.cumulative;
            uint96 deposited = state.deposited();
            uint96 total = cumulative < deposited ? cumulative : deposited;
            uint96 claimed = state.claimed();
            if (total <= claimed) continue;
            if (state.closed()) continue;
            bytes32 digest = MessageHashUtils.toTypedDataHash(separator, Messages.hashVoucher(id, cumulative));
            if (_signer(digest, c.voucher.signature) != c.payerSigner) revert BadVoucher(id, i);

            unchecked {
                uint96 due = total - claimed;
                slot.state = state.addClaim(due);
                paid += due; // At most what was deposited, which is what the token has.
            }
            emit Claimed(id, total);
        }
        _push(token, payee, paid);
    }

    function settle(
        Key calldata key,
        uint96 amount,
        uint40 deadline,
        Signature calldata payeeSignature,
        Voucher calldata voucher
    ) external nonReentrant {
        (bytes32 id, Slot storage slot, State state) = _living(key);
        if (block.timestamp > deadline) revert SettlementExpired(id, deadline);

        bytes32 separator = _domainSeparatorV4();
        address payee = key.payee;
        if (msg.sender != payee) {
            bytes32 digest = MessageHashUtils.toTypedDataHash(separator, Messages.hashSettlement(id, amount, deadline));
            if (_signer(digest, payeeSignature) != key.payeeSigner) revert BadSettlement(id);
        }

        address payer = key.payer;
        uint96 deposited = state.deposited();
        uint96 claimed = state.claimed();
        uint96 total = amount < deposited ? amount : deposited;
        if (total <= claimed) {
            total = claimed;
        } else if (msg.sender != payer) {
            uint96 cumulative = voucher.cumulative;
            if (cumulative < total) revert VoucherTooLow(id, cumulative, total);
            bytes32 digest = MessageHashUtils.toTypedDataHash(separator, Messages.hashVoucher(id, cumulative));
            if (_signer(digest, voucher.signature) != key.payerSigner) revert BadVoucher(id, 0);
        }

        unchecked {
            uint96 due = total - claimed;
            uint96 rest = deposited - total;
            slot.state = state.addClaim(due).close();
            emit ChannelClosed(id, total, rest);
            _push(key.token, payee, due);
            _push(key.token, payer, rest);
        }
    }

    function startClose(Key calldata key) external nonReentrant {
        if (msg.sender != key.payer && msg.sender != key.payerSigner) revert NotPayer(msg.sender);
        (bytes32 id, Slot storage slot, State state) = _living(key);
        if (state.closesAt() != 0) revert ChannelIsClosing(id, state.closesAt());

        // 40 bits of seconds last for 34,000 years.
        uint40 closesAt = uint40(block.timestamp) + key.closeDelay;
        slot.state = state.setClosesAt(closesAt);
        emit ChannelClosing(id, closesAt);
    }

    function withdraw(Key calldata key) external nonReentrant {
        (bytes32 id, Slot storage slot, State state) = _living(key);
        uint40 closesAt = state.closesAt();
        if (closesAt == 0) revert ChannelIsNotClosing(id);
        if (block.timestamp < closesAt) revert CloseDelayRunning(id, closesAt);

        uint96 rest = state.deposited() - state.claimed();
        slot.state = state.close();
        emit ChannelClosed(id, state.claimed(), rest);
        _push(key.token, key.payer, rest);
    }

    function channel(bytes32 id) public view returns (Channel memory) {
        State state = _slots[id].state;
        return Channel(state.deposited(), state.claimed(), state.closesAt(), state.closed());
    }

    function channelOf(Key calldata key) external view returns (Channel memory) {
        return channel(key.toId());
    }

    function channelId(Key calldata key) external pure returns (bytes32) {
        return key.toId();
    }

    function voucherDigest(bytes32 id, uint96 cumulative) external view returns (bytes32) {
        return _hashTypedDataV4(Messages.hashVoucher(id, cumulative));
    }

    function settlementDigest(bytes32 id, uint96 amount, uint40 deadline) external view returns (bytes32) {
        return _hashTypedDataV4(Messages.hashSettlement(id, amount, deadline));
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }

    /// Books a deposit, opening the channel by the first. What is booked must be pulled in the same transaction.
    function _credit(Key calldata key, uint96 amount) private {
        bytes32 id = key.toId();
        if (amount == 0) revert ZeroAmount(id);

        Slot storage slot = _slots[id];
        State state = slot.state;
        if (state.closed()) revert ChannelIsClosed(id);
        if (state.closesAt() != 0) revert ChannelIsClosing(id, state.closesAt());

        uint96 deposited = state.deposited();
        uint96 total = deposited + amount;
        slot.state = state.addDeposit(amount);
        if (deposited == 0) _open(id, key, total);
        else emit Deposited(id, total);
    }

    function _open(bytes32 id, Key calldata key, uint96 deposited) private {
        (address payer, address payee, IERC20 token) = (key.payer, key.payee, key.token);
        (address payerSigner, address payeeSigner, uint32 closeDelay) =
            (key.payerSigner, key.payeeSigner, key.closeDelay);

        _checkParty(payer, token);
        _checkParty(payee, token);
        if (payer == payee) revert SameParties(payer);
        if (payerSigner == address(0) || payeeSigner == address(0)) revert ZeroSigner();
        if (closeDelay < MIN_CLOSE_DELAY || closeDelay > MAX_CLOSE_DELAY) {
            revert InvalidCloseDelay(closeDelay, MIN_CLOSE_DELAY, MAX_CLOSE_DELAY);
        }
        if (address(token).code.length == 0) revert NotAToken(token);

        emit ChannelOpened(id, payer, payee, payerSigner, payeeSigner, token, closeDelay, key.salt, deposited);
    }

    function _checkParty(address party, IERC20 token) private view {
        if (party == address(0)) revert InvalidParty(party);
        if (party == address(this)) revert InvalidParty(party);
        if (party == address(token)) revert InvalidParty(party);
    }

    /// The state of a channel that must be open or closing.
    function _living(Key calldata key) private view returns (bytes32 id, Slot storage slot, State state) {
        id = key.toId();
        slot = _slots[id];
        state = slot.state;
        if (state.deposited() == 0) revert ChannelIsUnknown(id);
        if (state.closed()) revert ChannelIsClosed(id);
    }

    /// Takes from the caller. The balance is read again, because what was booked has to have come.
    function _pull(IERC20 token, uint256 amount) private {
        uint256 expected = token.balanceOf(address(this)) + amount;
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 actual = token.balanceOf(address(this));
        if (actual != expected) revert WrongAmountReceived(token, expected, actual);
    }

    /// Some tokens revert on a transfer of zero, which must hold up nobody.
    function _push(IERC20 token, address to, uint256 amount) private {
        if (amount != 0) token.safeTransfer(to, amount);
    }

    /// Zero for a signature that is none; no opened channel has a zero signer.
    function _signer(bytes32 digest, Signature calldata signature) private pure returns (address signer) {
        (signer,,) = ECDSA.tryRecover(digest, signature.r, signature.vs);
    }

    /// Completes the key of a batch by what the claim tells. As in {toId}, dirty padding makes the id of no channel.
    function _claimId(Key memory key, Claim calldata c) private pure returns (bytes32 id) {
        assembly ("memory-safe") {
            calldatacopy(key, c, 0x40) // payer, payerSigner
            calldatacopy(add(key, 0x60), add(c, 0x40), 0x20) // payeeSigner
            calldatacopy(add(key, 0xa0), add(c, 0x60), 0x40) // closeDelay, salt
            id := keccak256(key, 0xe0)
        }
    }
}
