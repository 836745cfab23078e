// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

bytes32 constant VOUCHER_TYPEHASH = keccak256("Voucher(bytes32 channel,uint96 cumulative)");
bytes32 constant SETTLEMENT_TYPEHASH = keccak256("Settlement(bytes32 channel,uint96 amount,uint40 deadline)");

/// @notice The EIP-712 struct hashes of what payer and payee sign.
/// @dev Each is `keccak256(abi.encode(typehash, ...))`, written beyond what is allocated in memory, so that a long batch
/// of claims uses the same words again and again.
library Messages {
    function hashVoucher(bytes32 channel, uint96 cumulative) internal pure returns (bytes32 hash) {
        bytes32 typehash = VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typehash)
            mstore(add(words, 0x20), channel)
            mstore(add(words, 0x40), cumulative)
            hash := keccak256(words, 0x60)
        }
    }

    function hashSettlement(bytes32 channel, uint96 amount, uint40 deadline) internal pure returns (bytes32 hash) {
        bytes32 typehash = SETTLEMENT_TYPEHASH;
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, typehash)
            mstore(add(words, 0x20), channel)
            mstore(add(words, 0x40), amount)
            mstore(add(words, 0x60), deadline)
            hash := keccak256(words, 0x80)
        }
    }
}
