// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @notice What a channel is. It never changes and is not stored: it comes in calldata and is checked by its hash.
/// @param payer Owns the money and gets back what is left.
/// @param payerSigner Signs vouchers and may start the closing; it can move money to nobody but the payee and payer.
/// @param payee Gets what vouchers promise.
/// @param payeeSigner Agrees to settle.
/// @param token The ERC-20 token that the channel holds.
/// @param closeDelay Seconds between the payer's wish to close and the return of the rest.
/// @param salt Tells apart channels that are otherwise the same. A channel lives once, its successor takes a new salt.
struct Key {
    address payer;
    address payerSigner;
    address payee;
    address payeeSigner;
    IERC20 token;
    uint32 closeDelay;
    uint64 salt;
}

using {toId} for Key global;

/// @dev The words are hashed as they came, without a look at the padding of each. A key with dirty padding has the id
/// of no channel, since {Channels} reads, and so checks, each part of the key before it opens one.
/// @return id `keccak256(abi.encode(key))`.
function toId(Key calldata key) pure returns (bytes32 id) {
    assembly ("memory-safe") {
        let words := mload(0x40) // Beyond what is allocated: free to be written over.
        calldatacopy(words, key, 0xe0)
        id := keccak256(words, 0xe0)
    }
}
