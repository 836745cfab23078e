// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Channels} from "../src/Channels.sol";
import {Key} from "../src/Key.sol";
import {Claim, IChannels, Signature, Voucher} from "../src/interfaces/IChannels.sol";
import {Fixture} from "./Base.sol";

/// @notice Claim.tree.
contract ClaimTest is Fixture {
    uint96 private constant AMOUNT = 100e6;
    uint96 private constant DUE = 30e6;

    bytes32 private id;

    function setUp() public override {
        super.setUp();
        id = open(AMOUNT);
    }

    function expectBad(Voucher memory v) private {
        Claim[] memory claims = new Claim[](2);
        claims[0] = claimOf(key, voucher(id, 1));
        claims[1] = claimOf(key, v);
        vm.expectRevert(abi.encodeWithSelector(IChannels.BadVoucher.selector, id, 1));
        channels.claim(payee, key.token, claims);
        assertState(id, AMOUNT, 0, 0, false);
    }

    function test_NoClaims() external {
        vm.assertEq(channels.claim(payee, key.token, new Claim[](0)), 0, "paid");
    }

    function test_PaysTheDifference() external {
        vm.expectEmit(address(channels));
        emit IChannels.Claimed(id, DUE);
        vm.prank(stranger);
        vm.assertEq(claim(DUE), DUE, "paid");
        assertBalances(FUNDS - AMOUNT, DUE, AMOUNT - DUE);

        vm.expectEmit(address(channels));
        emit IChannels.Claimed(id, 3 * DUE);
        vm.assertEq(claim(3 * DUE), 2 * DUE, "paid by the second");
        assertState(id, AMOUNT, 3 * DUE, 0, false);
        assertBalances(FUNDS - AMOUNT, 3 * DUE, AMOUNT - 3 * DUE);
    }

    function test_RevertWhen_SignedBySomebodyElse() external {
        bytes32 digest = channels.voucherDigest(id, DUE);
        expectBad(Voucher(DUE, signedBy(PAYEE_SIGNER_KEY, digest)));
        // The payer's own key signs no vouchers where it has named another as its signer.
        expectBad(Voucher(DUE, signedBy(PAYER_KEY, digest)));
    }

    function test_RevertWhen_SignedForAnotherChannel() external {
        Key memory other = key;
        other.salt = 2;
        expectBad(Voucher(DUE, voucher(idOf(other), DUE).signature));
    }

    function test_RevertWhen_SignedForAnotherAmount() external {
        expectBad(Voucher(DUE + 1, voucher(id, DUE).signature));
    }

    function test_RevertWhen_SignedForAnotherContract() external {
        Channels other = new Channels();
        expectBad(Voucher(DUE, signedBy(PAYER_SIGNER_KEY, other.voucherDigest(id, DUE))));
    }

    function test_RevertWhen_SignedForAnotherChain() external {
        Signature memory signature = voucher(id, DUE).signature;
        vm.chainId(424242);
        expectBad(Voucher(DUE, signature));
    }

    function test_RevertWhen_SignatureIsASettlement() external {
        expectBad(Voucher(DUE, signedBy(PAYER_SIGNER_KEY, channels.settlementDigest(id, DUE, DEADLINE))));
    }

    /// The other signature that ECDSA allows for the same key and digest: s in the upper half.
    function test_RevertWhen_SignatureIsMalleable() external {
        Signature memory signature = voucher(id, DUE).signature;
        uint256 n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes32 parity = signature.vs & bytes32(uint256(1) << 255);
        uint256 s = n - uint256(signature.vs ^ parity);
        // An s in the upper half leaves the parity no bit of its own, so both readings have to be refused.
        expectBad(Voucher(DUE, Signature(signature.r, bytes32(s))));
        expectBad(Voucher(DUE, Signature(signature.r, bytes32(s) ^ bytes32(uint256(1) << 255))));
    }

    function testFuzz_RevertWhen_SignatureIsGarbage(bytes32 r, bytes32 vs) external {
        expectBad(Voucher(DUE, Signature(r, vs)));
    }

    function test_RevertWhen_SignatureIsZero() external {
        expectBad(Voucher(DUE, noSignature()));
    }

    function test_UnderfundedPaysWhatIsThereAndLaterTheRest() external {
        vm.assertEq(claim(AMOUNT + DUE), AMOUNT, "paid");
        assertState(id, AMOUNT, AMOUNT, 0, false);
        vm.assertEq(claim(AMOUNT + DUE), 0, "paid by an empty channel");
        open(3 * DUE);
        vm.assertEq(claim(AMOUNT + DUE), DUE, "paid of the rest");
        assertState(id, AMOUNT + 3 * DUE, AMOUNT + DUE, 0, false);
        assertBalances(FUNDS - AMOUNT - 3 * DUE, AMOUNT + DUE, 2 * DUE);
    }

    function test_StalePaysNothing() external {
        claim(DUE);
        vm.assertEq(claim(DUE), 0, "paid again");
        vm.assertEq(claim(DUE - 1), 0, "paid for less");
        vm.assertEq(claim(0), 0, "paid for nothing");
        assertState(id, AMOUNT, DUE, 0, false);
    }

    /// What has nothing to pay is passed over with its signature unread, so being faster breaks no batch.
    function test_FasterClaimBreaksNoBatch() external {
        Claim[] memory claims = new Claim[](2);
        claims[0] = claimOf(key, voucher(id, DUE));
        key.salt = 2;
        claims[1] = claimOf(key, voucher(open(AMOUNT), DUE));
        vm.prank(stranger);
        channels.claim(payee, key.token, claimsOf(key, claims[1].voucher));

        vm.assertEq(channels.claim(payee, key.token, claims), DUE, "paid");
        vm.assertEq(token.balanceOf(payee), 2 * DUE, "the payee's balance");
    }

    function test_ClosingPays() external {
        startClose();
        vm.assertEq(claim(DUE), DUE, "paid in the delay");
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY + 1);
        vm.assertEq(claim(2 * DUE), DUE, "paid after the delay");
        channels.withdraw(key);
        assertBalances(FUNDS - 2 * DUE, 2 * DUE, 0);
    }

    function test_ClosedPaysNothing() external {
        vm.prank(payee);
        channels.settle(key, 0, DEADLINE, noSignature(), noVoucher());
        vm.assertEq(claim(DUE), 0, "paid");
        assertState(id, AMOUNT, 0, 0, true);
    }

    function test_UnknownPaysNothing() external {
        key.salt = 2;
        vm.assertEq(claim(DUE), 0, "paid");
        key.salt = 1;
        Claim[] memory claims = claimsOf(key, voucher(id, DUE));
        vm.assertEq(channels.claim(stranger, key.token, claims), 0, "paid to another payee");
        vm.assertEq(channels.claim(payee, IERC20(stranger), claims), 0, "paid in another token");
        assertBalances(FUNDS - AMOUNT, 0, AMOUNT);
    }

    /// A claim begins at byte 132: selector, payee, token, offset and length come first.
    function test_DirtyPaddingPaysNothing() external {
        Claim[] memory claims = claimsOf(key, voucher(id, DUE));
        for (uint256 word; word < 5; ++word) {
            bytes memory data = abi.encodeCall(channels.claim, (payee, key.token, claims));
            data[132 + 32 * word] = 0x80;
            (bool ok, bytes memory paid) = address(channels).call(data);
            vm.assertTrue(ok, "the call");
            vm.assertEq(abi.decode(paid, (uint256)), 0, "paid");
        }
        assertState(id, AMOUNT, 0, 0, false);
    }

    /// No silent narrowing: a cumulative amount beyond 96 bits is refused, not cut.
    function test_RevertWhen_CumulativePasses96Bits() external {
        bytes memory data = abi.encodeCall(channels.claim, (payee, key.token, claimsOf(key, voucher(id, DUE))));
        data[132 + 32 * 5 + 19] = 0x01;
        (bool ok,) = address(channels).call(data);
        vm.assertFalse(ok, "the call");
    }

    function test_BatchPaysInOneTransfer() external {
        Claim[] memory claims = new Claim[](4);
        claims[0] = claimOf(key, voucher(id, DUE));
        uint256 due = DUE;
        for (uint64 i = 1; i < 4; ++i) {
            address other = i == 2 ? stranger : payer;
            Key memory k = keyFor(key.token, other, payee, 10 + i);
            vm.prank(other);
            channels.deposit(k, AMOUNT);
            claims[i] = claimOf(k, voucher(idOf(k), DUE + i));
            due += DUE + i;
        }
        vm.expectEmit(address(token));
        emit IERC20.Transfer(address(channels), payee, due);
        vm.assertEq(channels.claim(payee, key.token, claims), due, "paid");
        vm.assertEq(token.balanceOf(payee), due, "the payee's balance");
    }

    function test_ChannelTwiceInABatch() external {
        Claim[] memory claims = new Claim[](3);
        claims[0] = claimOf(key, voucher(id, DUE));
        claims[1] = claimOf(key, voucher(id, 2 * DUE));
        claims[2] = claimOf(key, voucher(id, DUE));
        vm.assertEq(channels.claim(payee, key.token, claims), 2 * DUE, "paid");
        assertState(id, AMOUNT, 2 * DUE, 0, false);
    }

    /// Any vouchers in any order pay the highest of them, as far as the deposit goes.
    function testFuzz_PaysTheHighest(uint96[8] calldata cumulative) external {
        uint96 highest;
        for (uint256 i; i < cumulative.length; ++i) {
            claim(cumulative[i]);
            if (cumulative[i] > highest) highest = cumulative[i];
        }
        uint96 due = highest < AMOUNT ? highest : AMOUNT;
        assertState(id, AMOUNT, due, 0, false);
        assertBalances(FUNDS - AMOUNT, due, AMOUNT - due);
    }
}
