// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Key} from "../Key.sol";

/// @notice A channel's state, one storage slot.
/// @param deposited All that was ever put in, in base units of the token. It only grows; zero means never opened.
/// @param claimed All that was ever paid to the payee, in base units. It only grows and is at most `deposited`.
/// @param closesAt Unix seconds from which the payer can have the rest back; zero unless the channel is closing.
/// @param closed The rest was returned. A closed channel stays closed.
struct Channel {
    uint96 deposited;
    uint96 claimed;
    uint40 closesAt;
    bool closed;
}

/// @notice An ECDSA signature in its compact form (ERC-2098).
/// @param r The signature's r.
/// @param vs The signature's s, which must be in the lower half, with the parity of v in the top bit.
struct Signature {
    bytes32 r;
    bytes32 vs;
}

/// @notice The payer's promise on a channel.
/// @param cumulative The total that the payee may have had by now, in base units. A later voucher replaces an earlier.
/// @param signature By the payer's signer, over the EIP-712 type `Voucher(bytes32 channel,uint96 cumulative)`.
struct Voucher {
    uint96 cumulative;
    Signature signature;
}

/// @notice A voucher with what tells its channel's key beside the payee and token that a batch shares.
struct Claim {
    address payer;
    address payerSigner;
    address payeeSigner;
    uint32 closeDelay;
    uint64 salt;
    Voucher voucher;
}

/// @notice One of many deposits.
struct Deposit {
    Key key;
    uint96 amount;
}

/// @title Escrow between one payer and one payee, paid out by cumulative vouchers.
/// @notice A channel lives once: open, closing, closed for ever. Money leaves it to its payee or its payer alone.
/// @dev Signatures are ECDSA over EIP-712 data with chain id and contract; a contract wallet pays through a signer with
/// a private key and, as payee, settles as the caller. For a token whose balances move only by transfer, the contract
/// holds at least the sum of what is left in its channels, and exactly that but for tokens sent by mistake.
/// Another token can harm only the channels that hold it.
interface IChannels {
    /// @notice A channel got its first deposit, `deposited`. The event carries the whole key, so that logs alone are
    /// enough to build an index.
    event ChannelOpened(
        bytes32 indexed id,
        address indexed payer,
        address indexed payee,
        address payerSigner,
        address payeeSigner,
        IERC20 token,
        uint32 closeDelay,
        uint64 salt,
        uint96 deposited
    );

    /// @notice More money came into an open channel. `deposited` is the new total.
    event Deposited(bytes32 indexed id, uint96 deposited);

    /// @notice The payee was paid. `claimed` is the new total.
    event Claimed(bytes32 indexed id, uint96 claimed);

    /// @notice The payer wants its money back, and may have it from `closesAt`, in Unix seconds.
    event ChannelClosing(bytes32 indexed id, uint40 closesAt);

    /// @notice A channel ended. `claimed` is the final total that the payee got, `returned` went to the payer.
    event ChannelClosed(bytes32 indexed id, uint96 claimed, uint96 returned);

    /// @notice A payer or payee that is zero, this contract or the token.
    error InvalidParty(address party);

    /// @notice A channel from an account to itself.
    error SameParties(address party);

    /// @notice A signer that is zero, for which any garbage would be a signature.
    error ZeroSigner();

    /// @notice A close delay, in seconds, out of bounds.
    error InvalidCloseDelay(uint32 actual, uint32 min, uint32 max);

    /// @notice A token without code.
    error NotAToken(IERC20 token);

    /// @notice A deposit of nothing.
    error ZeroAmount(bytes32 id);

    /// @notice The token moved another amount than it was asked to.
    error WrongAmountReceived(IERC20 token, uint256 expectedBalance, uint256 actualBalance);

    /// @notice No channel with this id was ever opened.
    error ChannelIsUnknown(bytes32 id);

    /// @notice The channel is closing, which can neither be undone nor begun again.
    error ChannelIsClosing(bytes32 id, uint40 closesAt);

    /// @notice The channel is closed, for ever.
    error ChannelIsClosed(bytes32 id);

    /// @notice A withdrawal from a channel whose closing nobody started.
    error ChannelIsNotClosing(bytes32 id);

    /// @notice A withdrawal before the delay was over.
    error CloseDelayRunning(bytes32 id, uint40 closesAt);

    /// @notice Only the payer and its signer may start the closing.
    error NotPayer(address caller);

    /// @notice A voucher that the payer's signer did not sign. `index` is its place in the batch, from zero.
    error BadVoucher(bytes32 id, uint256 index);

    /// @notice A settlement that the payee's signer did not sign.
    error BadSettlement(bytes32 id);

    /// @notice A settlement past its deadline, in Unix seconds.
    error SettlementExpired(bytes32 id, uint40 deadline);

    /// @notice A settlement that would pay more than the payer's voucher promises.
    error VoucherTooLow(bytes32 id, uint96 cumulative, uint96 required);

    /// @notice Puts `amount` of the caller's tokens into a channel, whoever its payer is. The first deposit opens it.
    /// @dev Reverts when the channel is closing or closed, and when the total would pass 96 bits.
    function deposit(Key calldata key, uint96 amount) external;

    /// @notice As {deposit}, after a permit (ERC-2612) by the caller to this contract over `amount`.
    /// @dev Anybody can submit the permit first, so a failing permit is passed over: the allowance decides.
    function depositWithPermit(Key calldata key, uint96 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;

    /// @notice Several deposits, all or none. Neighbours with the same token share one transfer: sort them by token.
    function depositMany(Deposit[] calldata deposits) external;

    /// @notice Pays the payee what each voucher promises beyond what was paid before, all in one transfer. Anybody may
    /// call it, also while the channel is closing and after, until the rest is withdrawn.
    /// @dev An under-funded voucher pays what is there and stays good for the rest. One that has nothing to pay (stale,
    /// or its channel is closed, empty or unknown) is passed over, its signature unread, so that nobody can break
    /// another's batch by being faster. A bad signature on one that would pay reverts the batch by {BadVoucher}: only
    /// who put the batch together can have put it in.
    /// @return paid The amount transferred.
    function claim(address payee, IERC20 token, Claim[] calldata claims) external returns (uint256 paid);

    /// @notice Closes a channel at once, with the payee's consent: the payee gets up to `amount` in all, the payer the
    /// rest. Anybody may call it.
    /// @dev The payee consents by its signer's signature over `Settlement(bytes32 channel,uint96 amount,uint40
    /// deadline)` or by being the caller. The payer consents to a total above what was already claimed by its voucher,
    /// or by being the caller. What is not needed is not read. When less than `amount` was deposited the payee gets
    /// what is there; when more was already claimed, no more.
    /// @param deadline Unix seconds, the last at which the settlement is good.
    function settle(
        Key calldata key,
        uint96 amount,
        uint40 deadline,
        Signature calldata payeeSignature,
        Voucher calldata voucher
    ) external;

    /// @notice Starts the delay after which the payer gets the rest back; until then the payee can claim. Only the payer
    /// and its signer may call it.
    function startClose(Key calldata key) external;

    /// @notice Returns the rest to the payer once the delay is over, and closes the channel. Anybody may call it.
    function withdraw(Key calldata key) external;

    /// @notice The state of a channel; all zero when it was never opened.
    function channel(bytes32 id) external view returns (Channel memory);

    /// @notice As {channel}, by key.
    function channelOf(Key calldata key) external view returns (Channel memory);

    /// @notice The id of the channel with this key: `keccak256(abi.encode(key))`.
    function channelId(Key calldata key) external pure returns (bytes32);

    /// @notice What the payer's signer signs.
    function voucherDigest(bytes32 id, uint96 cumulative) external view returns (bytes32);

    /// @notice What the payee's signer signs.
    function settlementDigest(bytes32 id, uint96 amount, uint40 deadline) external view returns (bytes32);

    /// @notice The EIP-712 domain separator; its parts are told by `eip712Domain()` (ERC-5267).
    function domainSeparator() external view returns (bytes32);
}
