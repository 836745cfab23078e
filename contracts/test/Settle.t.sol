// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChannels, Signature, Voucher} from "../src/interfaces/IChannels.sol";
import {Fixture} from "./Base.sol";

/// @notice Settle.tree.
contract SettleTest is Fixture {
    uint96 private constant AMOUNT = 100e6;
    uint96 private constant DUE = 30e6;

    bytes32 private id;

    function setUp() public override {
        super.setUp();
        id = open(AMOUNT);
    }

    function settle(uint96 amount, Signature memory signature, Voucher memory v) private {
        channels.settle(key, amount, DEADLINE, signature, v);
    }

    /// The channel has ended with `total` in all for the payee.
    function assertSettled(uint96 total) private view {
        assertState(id, AMOUNT, total, state(id).closesAt, true);
        assertBalances(FUNDS - total, total, 0);
    }

    function test_RevertGiven_Unknown() external {
        key.salt = 2;
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsUnknown.selector, idOf(key)));
        settle(DUE, noSignature(), noVoucher());
    }

    function test_RevertGiven_Closed() external {
        settle(DUE, settlement(id, DUE), voucher(id, DUE));
        Signature memory signature = settlement(id, DUE);
        Voucher memory v = voucher(id, DUE);
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsClosed.selector, id));
        settle(DUE, signature, v);
    }

    function test_RevertWhen_Expired() external {
        Signature memory signature = settlement(id, 0);
        vm.warp(DEADLINE + 1);
        vm.expectRevert(abi.encodeWithSelector(IChannels.SettlementExpired.selector, id, DEADLINE));
        settle(0, signature, noVoucher());
        vm.expectRevert(abi.encodeWithSelector(IChannels.SettlementExpired.selector, id, DEADLINE));
        vm.prank(payee);
        settle(0, noSignature(), noVoucher());

        vm.warp(DEADLINE);
        settle(0, signature, noVoucher());
        assertSettled(0);
    }

    function expectBadSettlement(uint96 amount, Signature memory signature) private {
        vm.expectRevert(abi.encodeWithSelector(IChannels.BadSettlement.selector, id));
        settle(amount, signature, noVoucher());
        vm.expectRevert(abi.encodeWithSelector(IChannels.BadSettlement.selector, id));
        vm.prank(payer);
        settle(amount, signature, noVoucher());
    }

    function test_RevertWhen_PayeeSignerDidNotSign() external {
        expectBadSettlement(0, noSignature());
        expectBadSettlement(0, signedBy(PAYER_SIGNER_KEY, channels.settlementDigest(id, 0, DEADLINE)));
        expectBadSettlement(0, signedBy(PAYEE_SIGNER_KEY, channels.voucherDigest(id, 0)));
        expectBadSettlement(0, settlement(id, 1));
        expectBadSettlement(0, settlement(bytes32(uint256(1)), 0));
        expectBadSettlement(0, signedBy(PAYEE_SIGNER_KEY, channels.settlementDigest(id, 0, DEADLINE + 1)));
        Signature memory ofAnotherChain = settlement(id, 0);
        vm.chainId(424242);
        expectBadSettlement(0, ofAnotherChain);
    }

    function testFuzz_RevertWhen_SettlementIsGarbage(bytes32 r, bytes32 vs) external {
        expectBadSettlement(0, Signature(r, vs));
    }

    function test_PaysBothAndCloses() external {
        vm.expectEmit(address(channels));
        emit IChannels.ChannelClosed(id, DUE, AMOUNT - DUE);
        Signature memory signature = settlement(id, DUE);
        Voucher memory v = voucher(id, DUE);
        vm.prank(stranger);
        settle(DUE, signature, v);
        assertSettled(DUE);
    }

    function test_VoucherMayPromiseMore() external {
        settle(DUE, settlement(id, DUE), voucher(id, AMOUNT));
        assertSettled(DUE);
    }

    function test_RevertWhen_VoucherIsTooLow() external {
        Signature memory signature = settlement(id, DUE);
        Voucher memory v = voucher(id, DUE - 1);
        vm.expectRevert(abi.encodeWithSelector(IChannels.VoucherTooLow.selector, id, DUE - 1, DUE));
        settle(DUE, signature, v);
    }

    function test_RevertWhen_PayeeTakesWithoutVoucher() external {
        vm.expectRevert(abi.encodeWithSelector(IChannels.VoucherTooLow.selector, id, 0, 1));
        vm.prank(payee);
        settle(1, noSignature(), noVoucher());
    }

    function test_RevertWhen_PayerSignerDidNotSign() external {
        Signature memory signature = settlement(id, DUE);
        Voucher memory v = Voucher(DUE, signedBy(PAYEE_SIGNER_KEY, channels.voucherDigest(id, DUE)));
        vm.expectRevert(abi.encodeWithSelector(IChannels.BadVoucher.selector, id, 0));
        settle(DUE, signature, v);
        vm.expectRevert(abi.encodeWithSelector(IChannels.BadVoucher.selector, id, 0));
        vm.prank(payee);
        settle(DUE, noSignature(), v);
    }

    function test_PayerNeedsNoVoucher() external {
        Signature memory signature = settlement(id, DUE);
        vm.prank(payer);
        settle(DUE, signature, noVoucher());
        assertSettled(DUE);
    }

    function test_PayeeNeedsNoSignature() external {
        Voucher memory v = voucher(id, DUE);
        vm.prank(payee);
        settle(DUE, noSignature(), v);
        assertSettled(DUE);
    }

    function test_AmountAboveTheDeposit() external {
        settle(AMOUNT + DUE, settlement(id, AMOUNT + DUE), voucher(id, AMOUNT));
        assertSettled(AMOUNT);
    }

    function test_AmountBelowWhatWasClaimed() external {
        claim(DUE);
        settle(DUE - 1, settlement(id, DUE - 1), noVoucher());
        assertSettled(DUE);
    }

    function test_AmountOfWhatWasClaimed() external {
        claim(DUE);
        settle(DUE, settlement(id, DUE), noVoucher());
        assertSettled(DUE);
    }

    function test_AmountAboveWhatWasClaimed() external {
        claim(DUE);
        settle(2 * DUE, settlement(id, 2 * DUE), voucher(id, 2 * DUE));
        assertSettled(2 * DUE);
    }

    function test_NothingLeft() external {
        claim(AMOUNT);
        settle(AMOUNT, settlement(id, AMOUNT), noVoucher());
        assertSettled(AMOUNT);
    }

    function test_Closing() external {
        startClose();
        settle(DUE, settlement(id, DUE), voucher(id, DUE));
        assertSettled(DUE);
    }

    function test_ClosingAfterTheDelay() external {
        startClose();
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY);
        settle(DUE, settlement(id, DUE), voucher(id, DUE));
        assertSettled(DUE);
    }

    function testFuzz_Settles(uint96 claimed, uint96 amount, uint96 cumulative) external {
        claimed = uint96(bound(claimed, 0, AMOUNT));
        amount = uint96(bound(amount, 0, 2 * AMOUNT));
        claim(claimed);

        uint96 total = amount < AMOUNT ? amount : AMOUNT;
        if (total < claimed) total = claimed;
        Signature memory signature = settlement(id, amount);
        Voucher memory v = voucher(id, cumulative);
        if (total > claimed && cumulative < total) {
            vm.expectRevert(abi.encodeWithSelector(IChannels.VoucherTooLow.selector, id, cumulative, total));
            settle(amount, signature, v);
        } else {
            settle(amount, signature, v);
            assertSettled(total);
        }
    }
}
