// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Channels} from "../src/Channels.sol";
import {Key} from "../src/Key.sol";
import {Claim, Deposit, Signature, Voucher} from "../src/interfaces/IChannels.sol";
import {Fixture} from "./Base.sol";
import {PlainToken} from "./tokens/PlainToken.sol";

/// @notice What each call costs, as a whole transaction under Osaka rules (`isolate`: intrinsic gas, cold slots,
/// refunds), with a plain OpenZeppelin token. The figures are committed in snapshots/ and compared by each run; the
/// asserts hold them to the aims.
/// @dev Accounts and salts are as random as real ones, since calldata is paid by its non-zero bytes. Unless its name
/// says more, a figure has the contract, payer and payee hold some of the token before and after.
/// forge-config: default.isolate = true
contract GasTest is Fixture {
    uint96 private constant DEPOSIT = 3_171_717_171;
    uint96 private constant DUE = 1_234_567_891;

    PlainToken private plain;
    string private constant GROUP = "Channels";

    function setUp() public override {
        super.setUp();
        payee = account("payee");
        plain = new PlainToken(payer, 1e30);
        key = plainKey("job");

        vm.prank(payer);
        plain.approve(address(channels), type(uint256).max);
        vm.prank(payer);
        plain.transfer(payee, 1e18);
        vm.prank(payer);
        plain.transfer(stranger, 1e18);

        // Somebody else's channel, so that the contract's own balance is no fresh slot.
        deposit(plainKey("another"), DEPOSIT);
    }

    function account(string memory name) private pure returns (address) {
        return vm.addr(uint256(keccak256(bytes(name))));
    }

    function plainKey(string memory name) private view returns (Key memory) {
        return keyFor(IERC20(address(plain)), payer, payee, uint64(uint256(keccak256(bytes(name)))));
    }

    function deposit(Key memory k, uint96 amount) private {
        vm.prank(payer);
        channels.deposit(k, amount);
    }

    /// Writes or checks the figure of the last call, and holds it to its aim.
    function snapshot(string memory name, uint256 aim) private returns (uint256 gas) {
        gas = vm.snapshotGasLastCall(GROUP, name);
        vm.assertLe(gas, aim, name);
    }

    function approve(uint256 amount) private {
        vm.prank(payer);
        plain.approve(address(channels), amount);
    }

    function test_Deposits() external {
        approve(DEPOSIT);
        deposit(key, DEPOSIT);
        snapshot("deposit, first", 69_000);
        approve(DEPOSIT);
        deposit(key, DEPOSIT);
        snapshot("deposit, later", 52_000);
    }

    /// A counted allowance that is used up gives gas back; one without limit gives none.
    function test_DepositsByUnlimitedAllowance() external {
        deposit(key, DEPOSIT);
        snapshot("deposit, first, unlimited allowance", 70_500);
        deposit(key, DEPOSIT);
        snapshot("deposit, later, unlimited allowance", 52_000);
    }

    function test_DepositMany() external {
        Deposit[] memory deposits = new Deposit[](10);
        for (uint256 i; i < 10; ++i) {
            deposits[i] = Deposit(plainKey(vm.toString(i)), DEPOSIT);
        }
        vm.prank(payer);
        channels.depositMany(deposits);
        vm.snapshotGasLastCall(GROUP, "depositMany, 10 first deposits");
    }

    /// DevToken stands for a token with permits, which save the approval's transaction.
    function test_DepositWithPermit() external {
        key = keyFor(IERC20(address(token)), payer, payee, 1);
        token.faucet(address(channels), 1);
        vm.prank(payer);
        token.approve(address(channels), 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(DEPOSIT, DEADLINE);
        vm.prank(payer);
        channels.depositWithPermit(key, DEPOSIT, DEADLINE, v, r, s);
        vm.snapshotGasLastCall(GROUP, "depositWithPermit, first");
    }

    function test_Claim() external {
        deposit(key, DEPOSIT);
        claim(DUE);
        snapshot("claim", 52_000);
        claim(2 * DUE);
        snapshot("claim, again", 52_000);
    }

    function test_ClaimToEmptyPayee() external {
        payee = account("empty");
        key = plainKey("job");
        deposit(key, DEPOSIT);
        claim(DUE);
        snapshot("claim, payee without tokens", 69_500);
    }

    function test_ClaimBatch() external {
        (Claim[] memory claims,) = batch(10);
        channels.claim(payee, key.token, firstOf(claims, 1));
        uint256 one = vm.lastCallGas().gasTotalUsed;
        channels.claim(payee, key.token, secondTo(claims));
        uint256 nine = snapshot("claim, 9 channels", 164_000);
        uint256 further = (nine - one) / 8;
        vm.snapshotValue(GROUP, "claim, each further channel", further);
        vm.assertLe(further, 14_000, "each further channel");
    }

    function batch(uint256 n) private returns (Claim[] memory claims, uint256 total) {
        claims = new Claim[](n);
        for (uint256 i; i < n; ++i) {
            Key memory k = plainKey(vm.toString(i));
            k.payer = payer;
            deposit(k, DEPOSIT);
            claims[i] = claimOf(k, voucher(idOf(k), DUE));
            total += DUE;
        }
    }

    function firstOf(Claim[] memory claims, uint256 n) private pure returns (Claim[] memory part) {
        part = new Claim[](n);
        for (uint256 i; i < n; ++i) {
            part[i] = claims[i];
        }
    }

    function secondTo(Claim[] memory claims) private pure returns (Claim[] memory part) {
        part = new Claim[](claims.length - 1);
        for (uint256 i; i < part.length; ++i) {
            part[i] = claims[i + 1];
        }
    }

    function test_SettleByAnybody() external {
        deposit(key, DEPOSIT);
        bytes32 id = idOf(key);
        channels.settle(key, DUE, DEADLINE, settlement(id, DUE), voucher(id, DUE));
        snapshot("settle with refund, by anybody", 66_000);
    }

    function test_SettleByPayer() external {
        deposit(key, DEPOSIT);
        Signature memory signature = settlement(idOf(key), DUE);
        vm.prank(payer);
        channels.settle(key, DUE, DEADLINE, signature, noVoucher());
        snapshot("settle with refund, by the payer", 66_000);
    }

    function test_SettleByPayee() external {
        deposit(key, DEPOSIT);
        Voucher memory v = voucher(idOf(key), DUE);
        vm.prank(payee);
        channels.settle(key, DUE, DEADLINE, noSignature(), v);
        snapshot("settle with refund, by the payee", 66_000);
    }

    /// From the approval to both paid out, between strangers: the payee had no tokens. The payer sends every
    /// transaction, as a requester does, so that the provider needs no gas.
    function test_WholeJob() external {
        payee = account("empty");
        key = plainKey("job");
        approve(0);

        approve(DEPOSIT);
        uint256 gas = vm.snapshotGasLastCall(GROUP, "one job: approve");
        deposit(key, DEPOSIT);
        gas += vm.snapshotGasLastCall(GROUP, "one job: deposit");
        Signature memory signature = settlement(idOf(key), DUE);
        vm.prank(payer);
        channels.settle(key, DUE, DEADLINE, signature, noVoucher());
        gas += vm.snapshotGasLastCall(GROUP, "one job: settle");

        vm.snapshotValue(GROUP, "one job between strangers, approval to both paid", gas);
        vm.assertLe(gas, 195_000, "one job");
        vm.snapshotValue(GROUP, "one hundred jobs between one pair, each", gas / 100);
        vm.assertLe(gas / 100, 2_000, "one hundred jobs");
    }

    function test_Close() external {
        deposit(key, DEPOSIT);
        startClose();
        vm.snapshotGasLastCall(GROUP, "startClose");
        vm.warp(vm.getBlockTimestamp() + CLOSE_DELAY);
        channels.withdraw(key);
        vm.snapshotGasLastCall(GROUP, "withdraw");
    }
}
