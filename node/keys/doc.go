// Package keys is the only home of keystores: it makes, opens and guards a
// node's keys, and signs with them.
//
// A node has three. The account owns the funds and sends transactions; the
// signer holds no money and signs what travels off chain: vouchers, settlements,
// terms, receipts, identities. Both lie encrypted, as web3 secret storage v3,
// which other wallets read. The peer key names the node in the network. It lies
// unencrypted in a file for its owner alone: whoever takes it can pose as this
// peer, yet can sign nothing that moves money.
//
// Private keys live in closures, where no printer, logger or encoder that walks
// a value finds them.
package keys
