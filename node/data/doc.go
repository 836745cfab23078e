// Package data owns content: it turns files into UnixFS and back, keeps their
// blocks on disk, and moves them over bitswap to and from the peers of live
// leases alone.
//
// # Format
//
// A tree is added by the unixfs-v1-2025 profile: CIDv1, sha2-256, raw leaves
// of 1 MiB, balanced nodes of 1024 links, directories beyond 256 KiB sharded.
// The same tree gives the same CID here as in any other tool of that profile.
// Of a file's mode only the executable bit is kept, as UnixFS 1.5 mode 0755;
// owners, times and other bits are not. Links and special files are refused.
//
// # Retention
//
// Grants live in memory: the node issues them again at start, from its leases.
// What is to be kept is the node's decision too, passed to Collect as roots.
// Collect spares what is granted or published, what running calls write or
// lean on, and what was written or leaned on within Config.SweepAge, the time
// that the node has to record a root that a call returned.
package data
