// Package contracts owns what lives on chain: the escrow Channels, the DevToken of devnets, and their Go bindings,
// bytecode included, which generate.sh writes from the Solidity sources.
package contracts

//go:generate ./generate.sh
