// Package proto owns what travels between nodes and to the chain: messages, the
// canonical job and its CID, EIP-712 hashes, units, refusals and limits.
//
// It does no I/O and reads no clock. The messages of the wire are generated into
// lode/wire/v1; this package turns them into checked values and back, so that no
// other package meets a byte slice of the wrong length.
package proto
