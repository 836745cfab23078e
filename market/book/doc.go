// Package book owns the offers that a node knows: it accepts and forgets them,
// and ranks those that fit a need.
//
// It does no I/O and reads no clock. Offers come in with their signatures
// already checked. Identities are free, so an offer of a peer without a history
// here can only ever push out another such offer.
package book
