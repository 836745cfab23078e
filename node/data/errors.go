package data

import "errors"

var (
	// ErrMissing: a block is not in the store, or was corrupt there and has been removed.
	ErrMissing = errors.New("data: block is not in the store")
	// ErrClosed: the store was closed while the call ran.
	ErrClosed = errors.New("data: the store is closed")

	// ErrTooManyBytes: the content of files exceeds Limits.Bytes.
	ErrTooManyBytes = errors.New("data: too many bytes")
	// ErrTooManyEntries: files and directories exceed Limits.Entries.
	ErrTooManyEntries = errors.New("data: too many files and directories")
	// ErrTooDeep: directories nest beyond Limits.Depth, or the blocks of one
	// entry beyond what any sane writer makes.
	ErrTooDeep = errors.New("data: nested too deep")
	// ErrTooMuchStructure: the blocks that hold a tree together are out of
	// proportion to what they may hold; only a bomb looks like that.
	ErrTooMuchStructure = errors.New("data: too much structure for its content")

	// ErrLink: a symbolic link, on disk or in UnixFS.
	ErrLink = errors.New("data: symbolic links are not allowed")
	// ErrSpecial: a device, socket, pipe or whatever is no regular file or directory.
	ErrSpecial = errors.New("data: only regular files and directories are allowed")
	// ErrName: an entry's name would not be safe on every file system, or occurs twice.
	ErrName = errors.New("data: bad name")
	// ErrExists: the destination of an export is taken.
	ErrExists = errors.New("data: destination exists")

	// ErrCid: a CID that is not dag-pb or raw over a full sha2-256.
	ErrCid = errors.New("data: unsupported CID")
	// ErrBlockSize: a block of more than 2 MiB, the most that bitswap carries.
	ErrBlockSize = errors.New("data: block too large")
	// ErrMalformed: a block that is no UnixFS, or contradicts its parent.
	ErrMalformed = errors.New("data: malformed UnixFS")
	// ErrForeignBlock: an inline block that the root does not lead to.
	ErrForeignBlock = errors.New("data: block does not belong to the root")

	// ErrOffline: a fetch needs the network and the store was opened without a host.
	ErrOffline = errors.New("data: offline")
	// ErrNotServed: the peer says that it does not have the block, or does not grant it.
	ErrNotServed = errors.New("data: peer does not serve the block")
	// ErrPeerGone: the peer can't be reached or left in the middle.
	ErrPeerGone = errors.New("data: peer is gone")
	// ErrStalled: the peer sent nothing useful for Config.Stall.
	ErrStalled = errors.New("data: peer stalled")
	// ErrUnwanted: the peer floods us with blocks that nobody asked for.
	ErrUnwanted = errors.New("data: peer sends blocks that were not asked for")
)
