// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Channels} from "../../src/Channels.sol";
import {DevToken} from "../../src/DevToken.sol";
import {Key} from "../../src/Key.sol";
import {Channel, Claim, Deposit, Voucher} from "../../src/interfaces/IChannels.sol";
import {Base} from "../Base.sol";

/// @notice Does anything to a few channels in two tokens, and keeps books of its own, in the plainest way, of what must
/// come of it. Each call is foreseen to pass or to fail, and asserted to.
contract Handler is Base {
    uint256 private constant CHANNELS = 8;
    uint96 private constant MOST = 1_000e6;

    struct Book {
        uint256 deposited;
        uint256 claimed;
        uint256 returned;
        uint256 closesAt;
        bool closed;
        uint256 promised; // The highest voucher ever used.
    }

    DevToken[2] public tokens;
    address[2] public payers = [vm.addr(0x11), vm.addr(0x12)];
    address[2] public payees = [vm.addr(0x21), vm.addr(0x22)];

    Key[] private _keys;
    mapping(bytes32 => Book) private _books;
    mapping(bytes32 => Channel) private _last; // What the contract said after the action before.
    mapping(address token => uint256) public donated;
    mapping(address token => mapping(address account => uint256)) public spent;

    constructor() {
        vm.warp(1_800_000_000);
        channels = new Channels();
        for (uint64 i; i < CHANNELS; ++i) {
            if (i < 2) tokens[i] = new DevToken();
        }
        for (uint64 i; i < CHANNELS; ++i) {
            _keys.push(keyFor(IERC20(address(tokens[i & 1])), payers[(i >> 1) & 1], payees[(i >> 2) & 1], i));
        }
        for (uint256 i; i < 4; ++i) {
            tokens[i & 1].faucet(payers[i >> 1], FUNDS);
            vm.prank(payers[i >> 1]);
            tokens[i & 1].approve(address(channels), type(uint256).max);
        }
    }

    function channels_() external view returns (Channels) {
        return channels;
    }

    function count() external pure returns (uint256) {
        return CHANNELS;
    }

    function keyAt(uint256 i) external view returns (Key memory) {
        return _keys[i];
    }

    function bookAt(uint256 i) external view returns (Book memory) {
        return _books[idOf(_keys[i])];
    }

    /// What the contract said of a channel before the last action, and says now.
    function before(uint256 i) external view returns (Channel memory) {
        return _last[idOf(_keys[i])];
    }

    modifier remember() {
        for (uint256 i; i < CHANNELS; ++i) {
            bytes32 id = idOf(_keys[i]);
            _last[id] = channels.channel(id);
        }
        _;
    }

    function pick(uint256 seed) private view returns (Key memory k, bytes32 id, Book storage book) {
        k = _keys[seed % CHANNELS];
        id = idOf(k);
        book = _books[id];
    }

    function foreseen(string memory what, bool ok, bool expected) private pure {
        vm.assertTrue(ok == expected, what);
    }

    function deposit(uint256 seed, uint96 amount) external remember {
        (Key memory k,, Book storage book) = pick(seed);
        amount = uint96(bound(amount, 0, MOST));
        vm.prank(k.payer);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.deposit, (k, amount)));
        foreseen("deposit", ok, amount != 0 && book.closesAt == 0 && !book.closed);
        if (!ok) return;
        book.deposited += amount;
        spent[address(k.token)][k.payer] += amount;
    }

    function depositMany(uint256 seed, uint96[3] memory amounts) external remember {
        Deposit[] memory deposits = new Deposit[](3);
        bool expected = true;
        address caller = _keys[seed % CHANNELS].payer;
        for (uint256 i; i < 3; ++i) {
            (Key memory k,, Book storage book) = pick(seed >> (8 * i));
            amounts[i] = uint96(bound(amounts[i], 0, MOST));
            deposits[i] = Deposit(k, amounts[i]);
            expected = expected && amounts[i] != 0 && book.closesAt == 0 && !book.closed;
        }
        vm.prank(caller);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.depositMany, (deposits)));
        foreseen("depositMany", ok, expected);
        for (uint256 i; ok && i < 3; ++i) {
            (Key memory k,, Book storage book) = pick(seed >> (8 * i));
            book.deposited += amounts[i];
            spent[address(k.token)][caller] += amounts[i];
        }
    }

    function claim(uint256 seed, uint96[3] memory cumulative) external remember {
        (Key memory first,,) = pick(seed);
        Claim[] memory claims = new Claim[](3);
        uint256 expected;
        for (uint256 i; i < 3; ++i) {
            // Channels of one payee and token lie 2 apart within a block of 4.
            uint256 n = seed % CHANNELS;
            (Key memory k, bytes32 id, Book storage book) = pick((n & 5) | ((seed >> (8 + i)) & 2));
            cumulative[i] = uint96(bound(cumulative[i], 0, 2 * MOST));
            claims[i] = claimOf(k, voucher(id, cumulative[i]));
            expected += pay(book, cumulative[i]);
        }
        uint256 paid = channels.claim(first.payee, first.token, claims);
        vm.assertEq(paid, expected, "claim");
    }

    function pay(Book storage book, uint256 cumulative) private returns (uint256 paid) {
        if (book.closed) return 0;
        uint256 total = cumulative < book.deposited ? cumulative : book.deposited;
        if (total <= book.claimed) return 0;
        paid = total - book.claimed;
        book.claimed = total;
        if (cumulative > book.promised) book.promised = cumulative;
    }

    /// A voucher of somebody who is not the payer's signer never pays.
    function forge(uint256 seed, uint96 cumulative) external remember {
        (Key memory k, bytes32 id, Book storage book) = pick(seed);
        cumulative = uint96(bound(cumulative, 0, 2 * MOST));
        Voucher memory v = Voucher(cumulative, signedBy(PAYEE_SIGNER_KEY, channels.voucherDigest(id, cumulative)));
        (bool ok,) = address(channels).call(abi.encodeCall(channels.claim, (k.payee, k.token, claimsOf(k, v))));
        uint256 total = cumulative < book.deposited ? cumulative : book.deposited;
        foreseen("forge", ok, book.closed || total <= book.claimed);
    }

    function settle(uint256 seed, uint96 amount, uint96 cumulative) external remember {
        if (seed % 4 != 0) return; // Rarely, for it ends a channel.
        (Key memory k, bytes32 id, Book storage book) = pick(seed >> 8);
        amount = uint96(bound(amount, 0, 2 * MOST));
        cumulative = uint96(bound(cumulative, 0, 2 * MOST));
        uint256 total = amount < book.deposited ? amount : book.deposited;
        if (total < book.claimed) total = book.claimed;
        bool expected = book.deposited != 0 && !book.closed && (total == book.claimed || cumulative >= total);

        (bool ok,) = address(channels)
            .call(
                abi.encodeCall(channels.settle, (k, amount, DEADLINE, settlement(id, amount), voucher(id, cumulative)))
            );
        foreseen("settle", ok, expected);
        if (!ok) return;
        if (total > book.claimed) book.promised = cumulative > book.promised ? cumulative : book.promised;
        book.claimed = total;
        end(book);
    }

    function end(Book storage book) private {
        book.returned = book.deposited - book.claimed;
        book.closed = true;
    }

    function startClose(uint256 seed) external remember {
        if (seed % 4 != 0) return;
        (Key memory k,, Book storage book) = pick(seed >> 8);
        vm.prank(seed & 4 == 0 ? k.payer : k.payerSigner);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.startClose, (k)));
        foreseen("startClose", ok, book.deposited != 0 && book.closesAt == 0 && !book.closed);
        if (ok) book.closesAt = vm.getBlockTimestamp() + CLOSE_DELAY;
    }

    function withdraw(uint256 seed) external remember {
        (Key memory k,, Book storage book) = pick(seed);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.withdraw, (k)));
        bool due = book.closesAt != 0 && vm.getBlockTimestamp() >= book.closesAt;
        foreseen("withdraw", ok, due && !book.closed);
        if (ok) end(book);
    }

    /// Tokens sent by mistake.
    function donate(uint256 seed, uint96 amount) external remember {
        DevToken t = tokens[seed & 1];
        amount = uint96(bound(amount, 0, MOST));
        t.faucet(address(channels), amount);
        donated[address(t)] += amount;
    }

    function wait(uint32 time) external remember {
        vm.warp(vm.getBlockTimestamp() + bound(time, 1 minutes, 18 hours));
    }
}
