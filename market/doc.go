// Package market owns the lease: one pure state machine for each of its two
// sides, as a table from (state, event) to (state, effects).
//
// A machine opens no socket, reads no clock and knows no money but what its
// terms say. The node feeds it what happened, writes down the new state, and
// only then performs the effects; after a crash Resume names the effects to
// perform again, and each is harmless when it was performed before. What is owed
// and what may be signed is the business of market/pay.
package market
