// Package api owns how the commands of one machine talk to its node: the lock on
// the node's home, the Connect server on a Unix socket inside it, and the client.
package api
