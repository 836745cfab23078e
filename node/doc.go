// Package node is the composition root: it opens a home, puts the parts
// together, drives the lease machines of package market and performs their
// effects.
//
// One goroutine owns each lease and is the only one that steps it; the books of
// a channel are changed under the channel's own lock, on disk before in memory.
package node
