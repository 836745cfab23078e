// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Channels} from "../src/Channels.sol";
import {DevToken} from "../src/DevToken.sol";
import {Key} from "../src/Key.sol";
import {Channel, Claim, Deposit, IChannels, Signature, Voucher} from "../src/interfaces/IChannels.sol";
import {Vm} from "./Vm.sol";

/// @notice What the tests share: the contracts, one channel's key, funded accounts, and signatures.
abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    bytes internal constant OVERFLOW = abi.encodeWithSignature("Panic(uint256)", 0x11);

    uint256 internal constant PAYER_SIGNER_KEY = 0x5160001;
    uint256 internal constant PAYEE_SIGNER_KEY = 0x5160002;
    uint256 internal constant PAYER_KEY = 0x5160003;

    uint256 internal constant FUNDS = 1_000_000e6;
    uint32 internal constant CLOSE_DELAY = 1 days;
    uint40 internal constant DEADLINE = 2_000_000_000;

    // The payer has a known key because it signs permits.
    address internal payer = vm.addr(PAYER_KEY);
    address internal payee = vm.addr(0x5160004);
    address internal stranger = vm.addr(0x5160005);

    Channels internal channels;
    DevToken internal token;
    Key internal key;

    function keyFor(IERC20 token_, address payer_, address payee_, uint64 salt) internal pure returns (Key memory) {
        return Key({
            payer: payer_,
            payerSigner: vm.addr(PAYER_SIGNER_KEY),
            payee: payee_,
            payeeSigner: vm.addr(PAYEE_SIGNER_KEY),
            token: token_,
            closeDelay: CLOSE_DELAY,
            salt: salt
        });
    }

    function bound(uint256 value, uint256 min, uint256 max) internal pure returns (uint256) {
        return min + value % (max - min + 1);
    }

    /// The id as the design defines it.
    function idOf(Key memory k) internal pure returns (bytes32) {
        return keccak256(abi.encode(k));
    }

    function fund(address account) internal {
        token.faucet(account, FUNDS);
        vm.prank(account);
        token.approve(address(channels), type(uint256).max);
    }

    function open(uint96 amount) internal returns (bytes32 id) {
        vm.prank(payer);
        channels.deposit(key, amount);
        return idOf(key);
    }

    function state(bytes32 id) internal view returns (Channel memory) {
        return channels.channel(id);
    }

    function signedBy(uint256 privateKey, bytes32 digest) internal pure returns (Signature memory signature) {
        (signature.r, signature.vs) = vm.signCompact(privateKey, digest);
    }

    function voucher(bytes32 id, uint96 cumulative) internal view returns (Voucher memory) {
        return Voucher(cumulative, signedBy(PAYER_SIGNER_KEY, channels.voucherDigest(id, cumulative)));
    }

    function settlement(bytes32 id, uint96 amount) internal view returns (Signature memory) {
        return signedBy(PAYEE_SIGNER_KEY, channels.settlementDigest(id, amount, DEADLINE));
    }

    /// The payer's permit to the contract over DevTokens.
    function permit(uint256 amount, uint256 deadline) internal view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 typehash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 hash = keccak256(abi.encode(typehash, payer, address(channels), amount, token.nonces(payer), deadline));
        return vm.sign(PAYER_KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), hash)));
    }

    function noVoucher() internal pure returns (Voucher memory none) {}

    function noSignature() internal pure returns (Signature memory none) {}

    function claimOf(Key memory k, Voucher memory v) internal pure returns (Claim memory) {
        return Claim(k.payer, k.payerSigner, k.payeeSigner, k.closeDelay, k.salt, v);
    }

    function claimsOf(Key memory k, Voucher memory v) internal pure returns (Claim[] memory claims) {
        claims = new Claim[](1);
        claims[0] = claimOf(k, v);
    }

    /// Claims the default channel up to `cumulative`, as anybody may.
    function claim(uint96 cumulative) internal returns (uint256 paid) {
        return channels.claim(payee, key.token, claimsOf(key, voucher(idOf(key), cumulative)));
    }

    function startClose() internal {
        vm.prank(payer);
        channels.startClose(key);
    }

    function assertState(bytes32 id, uint96 deposited, uint96 claimed, uint40 closesAt, bool closed) internal view {
        Channel memory ch = state(id);
        vm.assertEq(ch.deposited, deposited, "deposited");
        vm.assertEq(ch.claimed, claimed, "claimed");
        vm.assertEq(ch.closesAt, closesAt, "closesAt");
        vm.assertTrue(ch.closed == closed, "closed");
    }

    function assertBalances(uint256 ofPayer, uint256 ofPayee, uint256 ofChannels) internal view {
        vm.assertEq(token.balanceOf(payer), ofPayer, "the payer's balance");
        vm.assertEq(token.balanceOf(payee), ofPayee, "the payee's balance");
        vm.assertEq(token.balanceOf(address(channels)), ofChannels, "the contract's balance");
    }
}

/// @notice One default channel's key, with payer and stranger funded.
abstract contract Fixture is Base {
    function setUp() public virtual {
        vm.warp(1_800_000_000);
        channels = new Channels();
        token = new DevToken();
        key = keyFor(IERC20(address(token)), payer, payee, 1);
        fund(payer);
        fund(stranger);
    }
}
