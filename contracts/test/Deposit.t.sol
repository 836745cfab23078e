// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";

import {DevToken} from "../src/DevToken.sol";
import {Key} from "../src/Key.sol";
import {Deposit, IChannels} from "../src/interfaces/IChannels.sol";
import {Fixture} from "./Base.sol";

/// @notice Deposit.tree.
contract DepositTest is Fixture {
    uint96 private constant AMOUNT = 100e6;

    function expectOpened(Key memory k, uint96 amount) private {
        vm.expectEmit(address(channels));
        emit IChannels.ChannelOpened(
            idOf(k), k.payer, k.payee, k.payerSigner, k.payeeSigner, k.token, k.closeDelay, k.salt, amount
        );
    }

    function expectRefusal(bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(payer);
        channels.deposit(key, AMOUNT);
    }

    function test_RevertWhen_AmountIsZero() external {
        vm.expectRevert(abi.encodeWithSelector(IChannels.ZeroAmount.selector, idOf(key)));
        vm.prank(payer);
        channels.deposit(key, 0);
    }

    function test_RevertWhen_PayerIsInvalid() external {
        address[3] memory invalid = [address(0), address(channels), address(token)];
        for (uint256 i; i < invalid.length; ++i) {
            key.payer = invalid[i];
            expectRefusal(abi.encodeWithSelector(IChannels.InvalidParty.selector, invalid[i]));
        }
    }

    function test_RevertWhen_PayeeIsInvalid() external {
        address[3] memory invalid = [address(0), address(channels), address(token)];
        for (uint256 i; i < invalid.length; ++i) {
            key.payee = invalid[i];
            expectRefusal(abi.encodeWithSelector(IChannels.InvalidParty.selector, invalid[i]));
        }
    }

    function test_RevertWhen_PartiesAreTheSame() external {
        key.payee = payer;
        expectRefusal(abi.encodeWithSelector(IChannels.SameParties.selector, payer));
    }

    function test_RevertWhen_PayerSignerIsZero() external {
        key.payerSigner = address(0);
        expectRefusal(abi.encodeWithSelector(IChannels.ZeroSigner.selector));
    }

    function test_RevertWhen_PayeeSignerIsZero() external {
        key.payeeSigner = address(0);
        expectRefusal(abi.encodeWithSelector(IChannels.ZeroSigner.selector));
    }

    function test_CloseDelayAtItsBounds() external {
        (uint32 min, uint32 max) = (channels.MIN_CLOSE_DELAY(), channels.MAX_CLOSE_DELAY());
        vm.assertEq(min, 1 hours, "least delay");
        vm.assertEq(max, 30 days, "longest delay");

        key.closeDelay = min;
        open(AMOUNT);
        key.closeDelay = max;
        open(AMOUNT);
        key.closeDelay = min - 1;
        expectRefusal(abi.encodeWithSelector(IChannels.InvalidCloseDelay.selector, min - 1, min, max));
        key.closeDelay = max + 1;
        expectRefusal(abi.encodeWithSelector(IChannels.InvalidCloseDelay.selector, max + 1, min, max));
    }

    function test_RevertWhen_TokenHasNoCode() external {
        key.token = IERC20(stranger);
        expectRefusal(abi.encodeWithSelector(IChannels.NotAToken.selector, stranger));
        key.token = IERC20(address(0));
        expectRefusal(abi.encodeWithSelector(IChannels.NotAToken.selector, address(0)));
    }

    /// Each part of the key in turn gets a bit beyond its type.
    function test_RevertWhen_PaddingIsDirty() external {
        for (uint256 word; word < 7; ++word) {
            bytes memory data = abi.encodeCall(channels.deposit, (key, AMOUNT));
            data[4 + 32 * word] = 0x80;
            vm.prank(payer);
            (bool ok,) = address(channels).call(data);
            vm.assertFalse(ok, "a dirty key opened a channel");
        }
    }

    function test_FirstDepositOpens() external {
        expectOpened(key, AMOUNT);
        bytes32 id = open(AMOUNT);
        assertState(id, AMOUNT, 0, 0, false);
        assertBalances(FUNDS - AMOUNT, 0, AMOUNT);
    }

    function test_LaterDepositAdds() external {
        bytes32 id = open(AMOUNT);
        vm.expectEmit(address(channels));
        emit IChannels.Deposited(id, 3 * AMOUNT);
        vm.prank(payer);
        channels.deposit(key, 2 * AMOUNT);
        assertState(id, 3 * AMOUNT, 0, 0, false);
        assertBalances(FUNDS - 3 * AMOUNT, 0, 3 * AMOUNT);
    }

    function test_PullsFromTheCaller() external {
        vm.prank(stranger);
        channels.deposit(key, AMOUNT);
        assertBalances(FUNDS, 0, AMOUNT);
        vm.assertEq(token.balanceOf(stranger), FUNDS - AMOUNT, "the caller's balance");
    }

    function test_RevertWhen_CallerHasTooLittle() external {
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, payer, FUNDS, FUNDS + 1));
        vm.prank(payer);
        channels.deposit(key, uint96(FUNDS) + 1);
    }

    function test_RevertWhen_TotalPasses96Bits() external {
        bytes32 id = open(AMOUNT);
        vm.expectRevert(OVERFLOW);
        vm.prank(payer);
        channels.deposit(key, type(uint96).max - AMOUNT + 1);
        assertState(id, AMOUNT, 0, 0, false);
    }

    function test_RevertGiven_Closing() external {
        bytes32 id = open(AMOUNT);
        startClose();
        expectRefusal(abi.encodeWithSelector(IChannels.ChannelIsClosing.selector, id, state(id).closesAt));
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY);
        expectRefusal(abi.encodeWithSelector(IChannels.ChannelIsClosing.selector, id, state(id).closesAt));
    }

    function test_RevertGiven_Closed() external {
        bytes32 id = open(AMOUNT);
        vm.prank(payee);
        channels.settle(key, 0, DEADLINE, noSignature(), noVoucher());
        expectRefusal(abi.encodeWithSelector(IChannels.ChannelIsClosed.selector, id));
    }

    function testFuzz_Deposits(uint96 first, uint96 second, uint64 salt) external {
        first = uint96(bound(first, 1, FUNDS / 2));
        second = uint96(bound(second, 1, FUNDS / 2));
        key.salt = salt;
        open(first);
        bytes32 id = open(second);
        assertState(id, first + second, 0, 0, false);
        assertBalances(FUNDS - first - second, 0, first + second);
    }

    // depositWithPermit

    function withPermit(address caller, uint8 v, bytes32 r, bytes32 s) private {
        vm.prank(caller);
        channels.depositWithPermit(key, AMOUNT, DEADLINE, v, r, s);
    }

    function revoke() private {
        vm.prank(payer);
        token.approve(address(channels), 0);
    }

    function test_PermitStandsForApproval() external {
        revoke();
        (uint8 v, bytes32 r, bytes32 s) = permit(AMOUNT, DEADLINE);
        expectOpened(key, AMOUNT);
        withPermit(payer, v, r, s);
        assertState(idOf(key), AMOUNT, 0, 0, false);
        assertBalances(FUNDS - AMOUNT, 0, AMOUNT);
    }

    function test_PermitThatWasFrontRun() external {
        revoke();
        (uint8 v, bytes32 r, bytes32 s) = permit(AMOUNT, DEADLINE);
        vm.prank(stranger);
        token.permit(payer, address(channels), AMOUNT, DEADLINE, v, r, s);
        withPermit(payer, v, r, s);
        assertBalances(FUNDS - AMOUNT, 0, AMOUNT);
    }

    function test_BadPermitWithAllowance() external {
        withPermit(payer, 27, bytes32(uint256(1)), bytes32(uint256(2)));
        assertBalances(FUNDS - AMOUNT, 0, AMOUNT);
    }

    function test_RevertWhen_PermitIsBadWithoutAllowance() external {
        revoke();
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(channels), 0, AMOUNT)
        );
        withPermit(payer, 27, bytes32(uint256(1)), bytes32(uint256(2)));
    }

    /// The payer's permit in a stranger's hands moves the stranger's tokens, and the payer's nonce stays unused.
    function test_PermitOfAnother() external {
        revoke();
        (uint8 v, bytes32 r, bytes32 s) = permit(AMOUNT, DEADLINE);
        withPermit(stranger, v, r, s);
        assertBalances(FUNDS, 0, AMOUNT);
        vm.assertEq(token.nonces(payer), 0, "the payer's nonce");
    }

    // depositMany

    function test_ManyOfNone() external {
        channels.depositMany(new Deposit[](0));
        assertBalances(FUNDS, 0, 0);
    }

    function test_ManyShareATransfer() external {
        Deposit[] memory deposits = new Deposit[](3);
        for (uint64 i; i < 3; ++i) {
            deposits[i] = Deposit(keyFor(IERC20(address(token)), payer, payee, i), AMOUNT * (i + 1));
        }
        vm.expectEmit(address(token));
        emit IERC20.Transfer(payer, address(channels), 6 * AMOUNT);
        vm.prank(payer);
        channels.depositMany(deposits);
        for (uint64 i; i < 3; ++i) {
            assertState(idOf(deposits[i].key), AMOUNT * (i + 1), 0, 0, false);
        }
        assertBalances(FUNDS - 6 * AMOUNT, 0, 6 * AMOUNT);
    }

    function test_ManyTokensAndAChannelTwice() external {
        DevToken other = new DevToken();
        other.faucet(payer, FUNDS);
        vm.prank(payer);
        other.approve(address(channels), FUNDS);
        Key memory otherKey = keyFor(IERC20(address(other)), payer, payee, 1);

        Deposit[] memory deposits = new Deposit[](4);
        deposits[0] = Deposit(key, 1);
        deposits[1] = Deposit(otherKey, 20);
        deposits[2] = Deposit(otherKey, 300);
        deposits[3] = Deposit(key, 4_000);
        vm.prank(payer);
        channels.depositMany(deposits);

        assertState(idOf(key), 4_001, 0, 0, false);
        assertState(idOf(otherKey), 320, 0, 0, false);
        assertBalances(FUNDS - 4_001, 0, 4_001);
        vm.assertEq(other.balanceOf(address(channels)), 320, "the other token");
    }

    function test_RevertWhen_OneOfManyIsRefused() external {
        Deposit[] memory deposits = new Deposit[](2);
        deposits[0] = Deposit(key, AMOUNT);
        deposits[1] = Deposit(keyFor(IERC20(address(token)), payer, payer, 2), AMOUNT);
        vm.expectRevert(abi.encodeWithSelector(IChannels.SameParties.selector, payer));
        vm.prank(payer);
        channels.depositMany(deposits);
        assertBalances(FUNDS, 0, 0);
    }
}
