// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A channel's state in its one storage slot, as Solidity would pack it, from the lowest bit: deposited uint96,
/// claimed uint96, closesAt uint40, closed bool. A type of its own because the compiler would write a packed struct
/// field by field, reading and writing the slot for each.
type State is uint256;

using {deposited, claimed, closesAt, closed, addDeposit, addClaim, setClosesAt, close} for State global;

uint256 constant CLAIMED_OFFSET = 96;
uint256 constant CLOSES_AT_OFFSET = 192;
uint256 constant CLOSED_OFFSET = 232;

function deposited(State s) pure returns (uint96) {
    return uint96(State.unwrap(s));
}

function claimed(State s) pure returns (uint96) {
    return uint96(State.unwrap(s) >> CLAIMED_OFFSET);
}

function closesAt(State s) pure returns (uint40) {
    return uint40(State.unwrap(s) >> CLOSES_AT_OFFSET);
}

function closed(State s) pure returns (bool) {
    return State.unwrap(s) >> CLOSED_OFFSET != 0;
}

/// @dev The caller sees to it that `deposited` stays within 96 bits.
function addDeposit(State s, uint96 amount) pure returns (State) {
    unchecked {
        return State.wrap(State.unwrap(s) + amount);
    }
}

/// @dev The caller sees to it that `claimed` stays at most `deposited`.
function addClaim(State s, uint96 amount) pure returns (State) {
    unchecked {
        return State.wrap(State.unwrap(s) + (uint256(amount) << CLAIMED_OFFSET));
    }
}

/// @dev For a state whose `closesAt` is zero.
function setClosesAt(State s, uint40 time) pure returns (State) {
    return State.wrap(State.unwrap(s) | (uint256(time) << CLOSES_AT_OFFSET));
}

function close(State s) pure returns (State) {
    return State.wrap(State.unwrap(s) | (1 << CLOSED_OFFSET));
}
