// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../src/DevToken.sol";
import {Fixture} from "./Base.sol";

contract DevTokenTest is Fixture {
    function test_SaysWhatItIs() external view {
        vm.assertEq(token.name(), "Lode DevToken (devnets only)", "name");
        vm.assertEq(token.symbol(), "DEV", "symbol");
        vm.assertEq(token.decimals(), 6, "decimals");
        (, string memory name,,,,,) = token.eip712Domain();
        vm.assertEq(name, token.name(), "the permit domain's name");
    }

    function test_FaucetGivesToAnybodyAgainAndAgain() external {
        uint256 cap = token.FAUCET_CAP();
        uint256 supply = token.totalSupply();
        vm.prank(stranger);
        token.faucet(payee, cap);
        vm.prank(stranger);
        token.faucet(payee, 1);
        vm.assertEq(token.balanceOf(payee), cap + 1, "balance");
        vm.assertEq(token.totalSupply(), supply + cap + 1, "supply");
    }

    function testFuzz_RevertWhen_AskedForMoreThanTheCap(uint256 amount) external {
        uint256 cap = token.FAUCET_CAP();
        amount = bound(amount, cap + 1, type(uint256).max - 1);
        vm.expectRevert(abi.encodeWithSelector(DevToken.FaucetCapExceeded.selector, amount, cap));
        token.faucet(payee, amount);
    }
}
