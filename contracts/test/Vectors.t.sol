// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {Channels} from "../src/Channels.sol";
import {Key} from "../src/Key.sol";
import {Base} from "./Base.sol";

/// @notice The contract against the golden vectors that Go checks too.
contract VectorsTest is Base {
    string private json;

    function setUp() public {
        json = vm.readFile("../proto/testdata/eip712.json");
        vm.chainId(uintAt(".domain.chainId"));
        // At the address that the vectors are for; the domain follows the address that it is asked at.
        channels = Channels(vm.parseJsonAddress(json, ".domain.verifyingContract"));
        vm.etch(address(channels), address(new Channels()).code);
    }

    function uintAt(string memory path) private view returns (uint256) {
        return vm.parseJsonUint(json, path);
    }

    function addressAt(string memory path, string memory field) private view returns (address) {
        return vm.parseJsonAddress(json, string.concat(path, field));
    }

    function hashAt(string memory path, string memory field) private view returns (bytes32) {
        return vm.parseJsonBytes32(json, string.concat(path, field));
    }

    /// `.list[i]`, and whether it is there. A list that is missed altogether is a failure.
    function entry(string memory list, uint256 i) private view returns (string memory path, bool exists) {
        path = string.concat(".", list, "[", vm.toString(i), "]");
        exists = vm.keyExistsJson(json, path);
        vm.assertTrue(i != 0 || exists, string.concat("no ", list, " in the file"));
    }

    function test_Domain() external view {
        (, string memory name, string memory version, uint256 chainId, address contract_,,) = channels.eip712Domain();
        vm.assertEq(name, vm.parseJsonString(json, ".domain.name"), "name");
        vm.assertEq(version, vm.parseJsonString(json, ".domain.version"), "version");
        vm.assertEq(chainId, uintAt(".domain.chainId"), "chainId");
        vm.assertEq(contract_, addressAt(".domain", ".verifyingContract"), "verifyingContract");
        vm.assertEq(channels.domainSeparator(), hashAt(".domain", ".separator"), "separator");
    }

    function test_Keys() external view {
        for (uint256 i;; ++i) {
            (string memory path, bool exists) = entry("keys", i);
            if (!exists) return;
            Key memory k = Key({
                payer: addressAt(path, ".payer"),
                payerSigner: addressAt(path, ".payerSigner"),
                payee: addressAt(path, ".payee"),
                payeeSigner: addressAt(path, ".payeeSigner"),
                token: IERC20(addressAt(path, ".token")),
                closeDelay: uint32(uintAt(string.concat(path, ".closeDelay"))),
                salt: uint64(uintAt(string.concat(path, ".salt")))
            });
            vm.assertEq(channels.channelId(k), hashAt(path, ".id"), path);
            vm.assertEq(keccak256(abi.encode(k)), hashAt(path, ".id"), path);
        }
    }

    function test_Vouchers() external view {
        for (uint256 i;; ++i) {
            (string memory path, bool exists) = entry("vouchers", i);
            if (!exists) return;
            uint96 cumulative = uint96(uintAt(string.concat(path, ".cumulative")));
            checkSigned(path, channels.voucherDigest(hashAt(path, ".channel"), cumulative));
        }
    }

    function test_Settlements() external view {
        for (uint256 i;; ++i) {
            (string memory path, bool exists) = entry("settlements", i);
            if (!exists) return;
            uint96 amount = uint96(uintAt(string.concat(path, ".amount")));
            uint40 deadline = uint40(uintAt(string.concat(path, ".deadline")));
            checkSigned(path, channels.settlementDigest(hashAt(path, ".channel"), amount, deadline));
        }
    }

    function checkSigned(string memory path, bytes32 digest) private view {
        vm.assertEq(digest, hashAt(path, ".digest"), path);
        checkDigest(path);

        (uint8 v, bytes32 r, bytes32 s) = vm.sign(uint256(hashAt(path, ".privateKey")), digest);
        vm.assertEq(
            keccak256(abi.encodePacked(r, s, v)),
            keccak256(vm.parseJsonBytes(json, string.concat(path, ".signature"))),
            path
        );
        vm.assertEq(ecrecover(digest, v, r, s), addressAt(path, ".signer"), path);
    }

    function checkDigest(string memory path) private view {
        bytes32 structHash = hashAt(path, ".structHash");
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", channels.domainSeparator(), structHash));
        vm.assertEq(digest, hashAt(path, ".digest"), path);
    }

    /// The other lists of the file are of messages that the contract does not read. Where an entry tells its type, the
    /// type's hash has to be right, and so has the digest.
    function test_OtherMessages() external view {
        string[] memory lists = vm.parseJsonKeys(json, "$");
        for (uint256 n; n < lists.length; ++n) {
            bytes32 list = keccak256(bytes(lists[n]));
            if (list == keccak256("domain") || list == keccak256("keys")) continue;
            for (uint256 i;; ++i) {
                (string memory path, bool exists) = entry(lists[n], i);
                if (!exists) break;
                checkDigest(path);
                if (!vm.keyExistsJson(json, string.concat(path, ".typeString"))) continue;
                string memory typeString = vm.parseJsonString(json, string.concat(path, ".typeString"));
                vm.assertEq(keccak256(bytes(typeString)), hashAt(path, ".typeHash"), path);
            }
        }
    }
}
