// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChannels} from "../src/interfaces/IChannels.sol";
import {Fixture} from "./Base.sol";

/// @notice Close.tree.
contract CloseTest is Fixture {
    uint96 private constant AMOUNT = 100e6;
    uint96 private constant DUE = 30e6;

    bytes32 private id;
    uint40 private closesAt;

    function setUp() public override {
        super.setUp();
        id = open(AMOUNT);
        closesAt = uint40(vm.getBlockTimestamp()) + CLOSE_DELAY;
    }

    function afterDelay() private {
        startClose();
        vm.warp(closesAt);
    }

    function test_RevertWhen_CallerIsNotThePayer() external {
        address[3] memory others = [payee, stranger, key.payeeSigner];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IChannels.NotPayer.selector, others[i]));
            vm.prank(others[i]);
            channels.startClose(key);
        }
    }

    function test_RevertGiven_UnknownAtStart() external {
        key.salt = 2;
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsUnknown.selector, idOf(key)));
        vm.prank(payer);
        channels.startClose(key);
    }

    function test_RevertGiven_ClosingAtStart() external {
        startClose();
        vm.warp(vm.getBlockTimestamp() + 1);
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsClosing.selector, id, closesAt));
        vm.prank(payer);
        channels.startClose(key);
        assertState(id, AMOUNT, 0, closesAt, false);
    }

    function test_RevertGiven_ClosedAtStart() external {
        afterDelay();
        channels.withdraw(key);
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsClosed.selector, id));
        vm.prank(payer);
        channels.startClose(key);
    }

    function test_StartsTheDelay() external {
        vm.expectEmit(address(channels));
        emit IChannels.ChannelClosing(id, closesAt);
        startClose();
        assertState(id, AMOUNT, 0, closesAt, false);
        assertBalances(FUNDS - AMOUNT, 0, AMOUNT);
    }

    function test_PayerSignerStartsTheDelay() external {
        vm.prank(key.payerSigner);
        channels.startClose(key);
        assertState(id, AMOUNT, 0, closesAt, false);
    }

    function test_RevertGiven_UnknownAtWithdrawal() external {
        key.salt = 2;
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsUnknown.selector, idOf(key)));
        channels.withdraw(key);
    }

    function test_RevertGiven_OpenAtWithdrawal() external {
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsNotClosing.selector, id));
        vm.prank(payer);
        channels.withdraw(key);
    }

    function test_RevertGiven_ClosedAtWithdrawal() external {
        afterDelay();
        channels.withdraw(key);
        vm.expectRevert(abi.encodeWithSelector(IChannels.ChannelIsClosed.selector, id));
        channels.withdraw(key);
    }

    function test_RevertWhen_DelayIsRunning() external {
        startClose();
        vm.warp(closesAt - 1);
        vm.expectRevert(abi.encodeWithSelector(IChannels.CloseDelayRunning.selector, id, closesAt));
        vm.prank(payer);
        channels.withdraw(key);
    }

    function test_ReturnsTheRest() external {
        claim(DUE);
        afterDelay();
        vm.expectEmit(address(channels));
        emit IChannels.ChannelClosed(id, DUE, AMOUNT - DUE);
        vm.prank(stranger);
        channels.withdraw(key);
        assertState(id, AMOUNT, DUE, closesAt, true);
        assertBalances(FUNDS - DUE, DUE, 0);
    }

    function test_NothingLeft() external {
        claim(AMOUNT);
        afterDelay();
        channels.withdraw(key);
        assertState(id, AMOUNT, AMOUNT, closesAt, true);
        assertBalances(FUNDS - AMOUNT, AMOUNT, 0);
    }

    function testFuzz_NoEarlierThanTheDelay(uint32 closeDelay, uint32 waited) external {
        key.closeDelay = uint32(bound(closeDelay, 1 hours, 30 days));
        waited = uint32(bound(waited, 0, 60 days));
        bytes32 other = open(AMOUNT);
        startClose();
        uint40 end = state(other).closesAt;
        vm.assertEq(end, vm.getBlockTimestamp() + key.closeDelay, "closesAt");

        vm.warp(vm.getBlockTimestamp() + waited);
        if (waited < key.closeDelay) {
            vm.expectRevert(abi.encodeWithSelector(IChannels.CloseDelayRunning.selector, other, end));
        }
        channels.withdraw(key);
    }
}
