// Package testnet owns the local devnet: an embedded chain with the contracts,
// providers and a requester as processes of their own, and the demo's sweep.
//
// Its nodes are the same program that users run, started with the same flags;
// they share no Go object with it or with each other, only JSON-RPC and libp2p
// over loopback.
package testnet
