// Package wire owns the peer network: the libp2p host, how peers find each
// other, the gossip of offers and job posts, and one file for each stream
// protocol.
//
// It turns what strangers send into checked values of package proto and decides
// nothing about money or leases. Everything remote meets, in this order, a
// limit of streams, a rate, a deadline, a size, and only then a decoder; all
// limits are in limits.go and proto/limits.go.
package wire
