// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Deposit, IChannels, Signature, Voucher} from "../src/interfaces/IChannels.sol";
import {Fixture} from "./Base.sol";
import {
    BlockingToken,
    BonusToken,
    FalseToken,
    FeeToken,
    HookToken,
    IHook,
    LyingToken,
    MintableToken,
    NoDecimalsToken,
    NoReturnToken,
    NoZeroToken
} from "./tokens/WeirdTokens.sol";

/// @notice Tokens that do what the standard leaves open, or what it forbids.
contract WeirdTokensTest is Fixture, IHook {
    uint96 private constant AMOUNT = 100_000;
    uint96 private constant DUE = 30_000;

    /// What the hook tries, and with which error the contract refused it.
    bytes private attempt;
    uint256 private refusals;

    function use(address weird) private {
        MintableToken(weird).mint(payer, 10 * AMOUNT);
        vm.prank(payer);
        (bool ok,) = weird.call(abi.encodeCall(IERC20.approve, (address(channels), type(uint256).max)));
        vm.assertTrue(ok, "approve");
        key.token = IERC20(weird);
    }

    function assertHolds(uint256 ofPayer, uint256 ofPayee, uint256 ofChannels) private view {
        vm.assertEq(key.token.balanceOf(payer), ofPayer, "the payer's balance");
        vm.assertEq(key.token.balanceOf(payee), ofPayee, "the payee's balance");
        vm.assertEq(key.token.balanceOf(address(channels)), ofChannels, "the contract's balance");
    }

    /// Each function that moves tokens, once.
    function assertServes(address weird) private {
        use(weird);
        bytes32 id = open(AMOUNT);
        open(AMOUNT);
        assertHolds(8 * AMOUNT, 0, 2 * AMOUNT);
        claim(DUE);
        assertHolds(8 * AMOUNT, DUE, 2 * AMOUNT - DUE);
        channels.settle(key, 2 * DUE, DEADLINE, settlement(id, 2 * DUE), voucher(id, 2 * DUE));
        assertHolds(10 * AMOUNT - 2 * DUE, 2 * DUE, 0);

        key.salt = 2;
        open(AMOUNT);
        startClose();
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY);
        channels.withdraw(key);
        assertHolds(10 * AMOUNT - 2 * DUE, 2 * DUE, 0);
    }

    function test_NoDecimals() external {
        assertServes(address(new NoDecimalsToken()));
    }

    function test_NoReturnValue() external {
        assertServes(address(new NoReturnToken()));
    }

    function test_NoZeroTransfers() external {
        assertServes(address(new NoZeroToken()));
    }

    /// The same token reverts on zero, and no function sends zero.
    function test_NoZeroTransfersWhereNothingIsDue() external {
        use(address(new NoZeroToken()));
        bytes32 id = open(AMOUNT);
        claim(0);
        claim(AMOUNT);
        claim(AMOUNT);
        channels.settle(key, AMOUNT, DEADLINE, settlement(id, AMOUNT), noVoucher());
        assertHolds(9 * AMOUNT, AMOUNT, 0);
    }

    function expectWrongAmount(uint256 actual) private {
        vm.expectRevert(
            abi.encodeWithSelector(IChannels.WrongAmountReceived.selector, key.token, uint256(AMOUNT), actual)
        );
    }

    function test_RevertWhen_TokenTakesAFee() external {
        use(address(new FeeToken()));
        expectWrongAmount(AMOUNT - AMOUNT / 100);
        open(AMOUNT);
        Deposit[] memory deposits = new Deposit[](1);
        deposits[0] = Deposit(key, AMOUNT);
        expectWrongAmount(AMOUNT - AMOUNT / 100);
        vm.prank(payer);
        channels.depositMany(deposits);
        expectWrongAmount(AMOUNT - AMOUNT / 100);
        vm.prank(payer);
        channels.depositWithPermit(key, AMOUNT, DEADLINE, 0, 0, 0);
    }

    function test_RevertWhen_TokenGivesMore() external {
        use(address(new BonusToken()));
        expectWrongAmount(AMOUNT + 1);
        open(AMOUNT);
    }

    function test_RevertWhen_TokenMovesNothing() external {
        use(address(new LyingToken()));
        expectWrongAmount(0);
        open(AMOUNT);
    }

    function test_RevertWhen_TokenReturnsFalse() external {
        FalseToken weird = new FalseToken();
        use(address(weird));
        weird.setRefuses(true);
        bytes memory failed = abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, weird);
        vm.expectRevert(failed);
        open(AMOUNT);

        weird.setRefuses(false);
        bytes32 id = open(AMOUNT);
        weird.setRefuses(true);
        Voucher memory v = voucher(id, DUE);
        Signature memory signature = settlement(id, DUE);
        vm.expectRevert(failed);
        channels.claim(payee, key.token, claimsOf(key, v));
        vm.expectRevert(failed);
        channels.settle(key, DUE, DEADLINE, signature, v);
        startClose();
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY);
        vm.expectRevert(failed);
        channels.withdraw(key);

        // What failed changed nothing: all is still there to be had.
        weird.setRefuses(false);
        claim(DUE);
        channels.withdraw(key);
        assertHolds(10 * AMOUNT - DUE, DUE, 0);
    }

    /// A payee that cannot receive holds up nobody's refund, nor a payer a claim.
    function test_BlockedPartyHarmsItselfAlone() external {
        BlockingToken weird = new BlockingToken();
        use(address(weird));
        bytes32 id = open(AMOUNT);
        Voucher memory v = voucher(id, DUE);

        weird.setBlocked(payee, true);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, payee));
        channels.claim(payee, key.token, claimsOf(key, v));
        startClose();
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY);
        channels.withdraw(key);
        assertHolds(10 * AMOUNT, 0, 0);

        weird.setBlocked(payee, false);
        key.salt = 2;
        open(AMOUNT);
        weird.setBlocked(payer, true);
        claim(DUE);
        assertHolds(9 * AMOUNT, DUE, AMOUNT - DUE);
    }

    // Hooks

    /// Called by the token within a transfer: tries to come back in.
    function onTransfer() external {
        (bool ok, bytes memory reason) = address(channels).call(attempt);
        vm.assertFalse(ok, "the contract was entered again");
        bytes4 expected = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
        vm.assertEq(bytes32(bytes4(reason)), bytes32(expected), "the reason");
        ++refusals;
    }

    /// From each function that calls the token into each function that changes state.
    function test_HooksCannotComeBack() external {
        HookToken weird = new HookToken();
        use(address(weird));
        weird.mint(address(this), 10 * AMOUNT);
        weird.approve(address(channels), type(uint256).max);
        bytes32 id = open(AMOUNT);
        Voucher memory v = voucher(id, AMOUNT);

        Deposit[] memory deposits = new Deposit[](1);
        deposits[0] = Deposit(key, 1);
        bytes[7] memory attempts = [
            abi.encodeCall(channels.deposit, (key, 1)),
            abi.encodeCall(channels.depositWithPermit, (key, 1, DEADLINE, 0, 0, 0)),
            abi.encodeCall(channels.depositMany, (deposits)),
            abi.encodeCall(channels.claim, (payee, key.token, claimsOf(key, v))),
            abi.encodeCall(channels.settle, (key, AMOUNT, DEADLINE, settlement(id, AMOUNT), v)),
            abi.encodeCall(channels.startClose, (key)),
            abi.encodeCall(channels.withdraw, (key))
        ];

        uint256 start = vm.getBlockTimestamp();
        for (uint64 i; i < attempts.length; ++i) {
            vm.warp(start);
            attempt = attempts[i];
            weird.setHook(this);
            // Two transfers of deposits, one of a claim, two of a settlement, one of a withdrawal; two hooks in each.
            refusals = 0;
            enterEach(100 + i);
            vm.assertEq(refusals, 12, "refusals");
            weird.setHook(IHook(address(0)));
        }
        assertState(id, AMOUNT, 0, 0, false);
    }

    function enterEach(uint64 salt) private {
        Deposit[] memory deposits = new Deposit[](2);
        (deposits[0].key, deposits[0].amount) = (key, AMOUNT);
        deposits[0].key.salt = salt;
        deposits[1] = Deposit(keyFor(key.token, payer, payee, salt + 1000), AMOUNT);
        vm.prank(payer);
        channels.depositMany(deposits);
        vm.prank(payer);
        channels.deposit(deposits[0].key, AMOUNT);

        bytes32 id = idOf(deposits[0].key);
        channels.claim(payee, key.token, claimsOf(deposits[0].key, voucher(id, DUE)));
        channels.settle(deposits[0].key, 2 * DUE, DEADLINE, settlement(id, 2 * DUE), voucher(id, 2 * DUE));
        vm.prank(payer);
        channels.startClose(deposits[1].key);
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY);
        channels.withdraw(deposits[1].key);
    }
}
