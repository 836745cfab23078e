// Package store owns the database of a node: one SQLite file that holds its
// leases, channel books, jobs, nonces and transactions.
//
// Every change is one durable transaction (WAL, synchronous=FULL). Concurrent
// changes share a commit, so that many leases cost few syncs. States have their
// own columns; the rest of a record is JSON, whose fields are only ever added.
package store
