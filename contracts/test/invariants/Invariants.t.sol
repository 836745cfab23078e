// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Key} from "../../src/Key.sol";
import {Channel} from "../../src/interfaces/IChannels.sol";
import {Base} from "../Base.sol";
import {Handler} from "./Handler.sol";

/// @notice What holds after whatever anybody did, in whatever order.
contract InvariantsTest is Base {
    Handler private handler;

    function setUp() public {
        handler = new Handler();
        channels = handler.channels_();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// One campaign for all of them, since each would replay the same calls.
    function invariant_All() external view {
        checkConservation();
        checkPayoutsGoToThePartiesAlone();
        checkAgreesWithTheBooks();
        checkBoundByVoucherAndDeposit();
        checkTransitionsGoOneWay();
    }

    /// The conservation law: for each token the contract holds what is left in its channels and what was sent by
    /// mistake, no less and no more.
    function checkConservation() private view {
        for (uint256 t; t < 2; ++t) {
            address token_ = address(handler.tokens(t));
            uint256 left;
            for (uint256 i; i < handler.count(); ++i) {
                Key memory k = handler.keyAt(i);
                Channel memory ch = channels.channelOf(k);
                if (address(k.token) == token_ && !ch.closed) left += ch.deposited - ch.claimed;
            }
            vm.assertEq(handler.tokens(t).balanceOf(address(channels)), left + handler.donated(token_), "held");
        }
    }

    /// Money leaves to payees as claimed and to payers as returned, and to nobody else.
    function checkPayoutsGoToThePartiesAlone() private view {
        for (uint256 t; t < 2; ++t) {
            for (uint256 p; p < 2; ++p) {
                (uint256 claimed, uint256 returned) = (0, 0);
                for (uint256 i; i < handler.count(); ++i) {
                    Key memory k = handler.keyAt(i);
                    if (address(k.token) != address(handler.tokens(t))) continue;
                    if (k.payee == handler.payees(p)) claimed += handler.bookAt(i).claimed;
                    if (k.payer == handler.payers(p)) returned += handler.bookAt(i).returned;
                }
                vm.assertEq(handler.tokens(t).balanceOf(handler.payees(p)), claimed, "the payee's");
                uint256 spent = handler.spent(address(handler.tokens(t)), handler.payers(p));
                vm.assertEq(handler.tokens(t).balanceOf(handler.payers(p)), FUNDS - spent + returned, "the payer's");
            }
        }
    }

    /// The contract and the handler's plain books agree.
    function checkAgreesWithTheBooks() private view {
        for (uint256 i; i < handler.count(); ++i) {
            Handler.Book memory book = handler.bookAt(i);
            Channel memory ch = channels.channelOf(handler.keyAt(i));
            vm.assertEq(ch.deposited, book.deposited, "deposited");
            vm.assertEq(ch.claimed, book.claimed, "claimed");
            vm.assertEq(ch.closesAt, book.closesAt, "closesAt");
            vm.assertTrue(ch.closed == book.closed, "closed");
        }
    }

    /// No payee gets more than the payer promised, nor more than there is.
    function checkBoundByVoucherAndDeposit() private view {
        for (uint256 i; i < handler.count(); ++i) {
            Channel memory ch = channels.channelOf(handler.keyAt(i));
            vm.assertLe(ch.claimed, handler.bookAt(i).promised, "claimed, promised");
            vm.assertLe(ch.claimed, ch.deposited, "claimed, deposited");
        }
    }

    /// Forbidden transitions: a total that shrinks, a close that is taken back or put off, a closed channel that moves.
    function checkTransitionsGoOneWay() private view {
        for (uint256 i; i < handler.count(); ++i) {
            Channel memory was = handler.before(i);
            Channel memory ch = channels.channelOf(handler.keyAt(i));
            vm.assertGe(ch.deposited, was.deposited, "deposited shrank");
            vm.assertGe(ch.claimed, was.claimed, "claimed shrank");
            if (was.closesAt != 0) {
                vm.assertEq(ch.closesAt, was.closesAt, "closesAt moved");
                vm.assertEq(ch.deposited, was.deposited, "a closing channel took a deposit");
            }
            if (was.closed) {
                vm.assertTrue(ch.closed, "reopened");
                vm.assertEq(ch.deposited, was.deposited, "a closed channel took a deposit");
                vm.assertEq(ch.claimed, was.claimed, "a closed channel paid");
                vm.assertEq(ch.closesAt, was.closesAt, "a closed channel began to close");
            }
        }
    }
}
