package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap"
	bsmsg "github.com/ipfs/boxo/bitswap/message"
	bsnet "github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/ipld/merkledag"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// stockNode is an ordinary IPFS node: boxo's bitswap with its defaults.
func stockNode(t testing.TB, h host.Host, store blockstore.Blockstore) *bitswap.Bitswap {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	swap := bitswap.New(ctx, bsnet.NewFromIpfsHost(h), nil, store)
	t.Cleanup(func() { check(t, swap.Close()); cancel() })
	return swap
}

func memoryBlocks() blockstore.Blockstore {
	return blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore()))
}

// A third peer that is connected to both sees no want, is sent nothing, and
// gets nothing when it asks; once the content is published it gets all.
func TestOnlyTheGrantedPeerIsServed(t *testing.T) {
	ctx := testContext(t)
	from, to := pair(t)
	thirdHost := newHost(t)
	connect(t, thirdHost, from.config.Host)
	connect(t, thirdHost, to.config.Host)
	content := randomBytes(3, 3<<20)
	root, err := from.AddBytes(ctx, content)
	check(t, err)
	check(t, from.Grant(ctx, "lease", to.id(), root))

	var heard atomic.Int64
	spy := func(s network.Stream) {
		heard.Add(1)
		check(t, s.Reset())
	}
	for _, p := range []protocol.ID{bsnet.ProtocolBitswapNoVers, bsnet.ProtocolBitswapOneZero, bsnet.ProtocolBitswapOneOne, bsnet.ProtocolBitswap} {
		thirdHost.SetStreamHandler(p, spy)
	}
	check(t, to.Fetch(ctx, root, from.id(), plenty, nil))
	if n := heard.Load(); n != 0 {
		t.Errorf("a third peer heard %d messages of a fetch between two others", n)
	}

	third := stockNode(t, thirdHost, memoryBlocks())
	dag := merkledag.NewDAGService(blockservice.New(memoryBlocks(), third))
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := dag.Get(short, root); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a peer without a grant got %v", err)
	}
	if from.grants.allows(thirdHost.ID(), root) || from.swap.admits(thirdHost.ID()) {
		t.Error("the third peer passes the filter")
	}

	check(t, from.Publish(ctx, root))
	if got := readBoxo(t, ctx, merkledag.NewDAGService(blockservice.New(memoryBlocks(), third)), root); !bytes.Equal(got, content) {
		t.Error("an IPFS node got other content than was published")
	}
	from.Unpublish(root)
	if from.grants.allows(thirdHost.ID(), root) {
		t.Error("still served after Unpublish")
	}
}

// Each grant counts for itself: one peer, one DAG, one lease.
func TestGrants(t *testing.T) {
	ctx := testContext(t)
	from, to := pair(t)
	root := addFiles(t, from, files{"a": randomBytes(4, 2<<20), "b": []byte("b")})
	other, err := from.AddBytes(ctx, []byte("another lease's"))
	check(t, err)

	wantErr(t, to.Fetch(ctx, root, from.id(), plenty, nil), ErrNotServed)
	check(t, from.Grant(ctx, "one", to.id(), other))
	wantErr(t, to.Fetch(ctx, root, from.id(), plenty, nil), ErrNotServed)
	check(t, from.Grant(ctx, "two", to.id(), root))
	check(t, from.Grant(ctx, "three", to.id(), root))
	check(t, from.Grant(ctx, "three", to.id(), root))
	from.Revoke("three")
	if !from.grants.allows(to.id(), root) {
		t.Error("revoking one lease ended another's grant")
	}
	check(t, to.Fetch(ctx, root, from.id(), plenty, nil))
	from.Revoke("two")
	if from.grants.allows(to.id(), root) || !from.grants.allows(to.id(), other) {
		t.Error("revoking did not end that lease's grant alone")
	}
	wantErr(t, to.Grant(ctx, "x", from.id(), other), ErrMissing)
}

// A fetch that was cut off goes on where it stopped, and a block that rotted
// on disk is fetched again.
func TestFetchResumes(t *testing.T) {
	ctx := testContext(t)
	from, to := pair(t)
	const size = 100
	f := files{}
	for i := range size {
		f[fmt.Sprint("file", i)] = randomBytes(uint64(100+i), 10_000)
	}
	root := addFiles(t, from, f)
	check(t, from.Grant(ctx, "lease", to.id(), root))

	cut, cancel := context.WithCancel(ctx)
	err := to.Fetch(cut, root, from.id(), plenty, func(p Progress) {
		if p.Blocks == size/2 {
			cancel()
		}
	})
	wantErr(t, err, context.Canceled)
	have := countBlocks(t, to)
	if have < size/4 || have > size {
		t.Fatalf("%d of %d blocks were kept", have, size)
	}
	rotten := sum(cid.Raw, f["file0"])
	to.plant(t, rotten, f["file0"])
	corrupt(t, to, rotten)

	sent := sentBlocks(t, from)
	var last Progress
	check(t, to.Fetch(ctx, root, from.id(), plenty, func(p Progress) { last = p }))
	if last.Blocks != size+1 {
		t.Errorf("progress ended at %d blocks of %d", last.Blocks, size+1)
	}
	if again := sentBlocks(t, from) - sent; again > size+2-have {
		t.Errorf("%d blocks were sent though %d of %d were here", again, have, size+1)
	}
	// Whole and local: nobody is asked, and the offline store agrees.
	offline := withBlocks(t, openStore(t, nil), to.blocks.dir)
	check(t, offline.Fetch(ctx, root, "", plenty, nil))
	missing := sum(cid.Raw, []byte("nowhere"))
	wantErr(t, offline.Fetch(ctx, missing, "", plenty, nil), ErrOffline)
}

// Fetches from one peer share it, also when they want the same blocks.
func TestConcurrentFetches(t *testing.T) {
	ctx := testContext(t)
	from, to := pair(t)
	shared := randomBytes(7, 3<<20)
	errs := make(chan error)
	const n = 8
	for i := range n {
		root := addFiles(t, from, files{"shared": shared, "own": []byte(fmt.Sprint(i))})
		check(t, from.Grant(ctx, fmt.Sprint(i), to.id(), root))
		go func() { errs <- to.Fetch(ctx, root, from.id(), plenty, nil) }()
	}
	for range n {
		check(t, <-errs)
	}
	if len(to.swap.peers) != 0 {
		t.Error("the exchange remembers fetches that are over")
	}
}

// liar serves other bytes than the CIDs promise.
type liar struct{ blockstore.Blockstore }

func (l liar) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := l.Blockstore.Get(ctx, c)
	if err != nil {
		return nil, err
	}
	bad := bytes.Clone(b.RawData())
	bad[len(bad)/2] ^= 1
	return blocks.NewBlockWithCid(bad, c)
}

func TestLyingPeer(t *testing.T) {
	ctx := testContext(t)
	store := memoryBlocks()
	content := randomBytes(8, 1000)
	c := sum(cid.Raw, content)
	block, err := blocks.NewBlockWithCid(content, c)
	check(t, err)
	check(t, store.Put(ctx, block))
	h := newHost(t)
	stockNode(t, h, liar{store})
	to := openConfig(t, Config{Dir: t.TempDir(), Host: newHost(t), Stall: 300 * time.Millisecond})
	connect(t, to.config.Host, h)
	wantErr(t, to.Fetch(ctx, c, h.ID(), plenty, nil), ErrStalled)
	if countBlocks(t, to) != 0 {
		t.Error("a block of a liar was stored")
	}
}

// A flood of blocks that nobody asked for ends the fetch.
func TestUnwantedBlocks(t *testing.T) {
	to := openStore(t, newHost(t))
	ctx, cancel := context.WithCancelCause(testContext(t))
	f := &fetch{from: "flooder", ctx: ctx, cancel: cancel}
	check(t, to.swap.join(f))
	for range window + 1 {
		to.swap.arrived("flooder", arrival{cid: sum(cid.Raw, nil), block: blocks.NewBlock(nil)})
	}
	wantErr(t, context.Cause(ctx), ErrUnwanted)
	to.swap.leave(f)
}

// A stranger's stream is cut before a block in it is hashed, however it comes.
func TestStrangersAreKeptShort(t *testing.T) {
	ctx := testContext(t)
	s, stranger := openStore(t, newHost(t)), newHost(t)
	connect(t, stranger, s.config.Host)
	stream, err := stranger.NewStream(ctx, s.id(), bsnet.ProtocolBitswap)
	check(t, err)
	msg := bsmsg.New(false)
	msg.AddBlock(blocks.NewBlock(make([]byte, strangerBytes)))
	err = msg.ToNetV1(stream)
	if err == nil {
		_, err = stream.Read(make([]byte, 1))
	}
	wantErr(t, err, network.ErrReset)
}

func TestPeerLeavesAndStoreCloses(t *testing.T) {
	ctx := testContext(t)
	for name, end := range map[string]struct {
		do   func(from host.Host, to *Store)
		want error
	}{
		"peer leaves":  {func(from host.Host, to *Store) { check(t, from.Network().ClosePeer(to.id())) }, ErrPeerGone},
		"store closes": {func(_ host.Host, to *Store) { check(t, to.Close()) }, ErrClosed},
	} {
		from, to := newHost(t), openStore(t, newHost(t))
		connect(t, from, to.config.Host)
		asked := make(chan bool, 1)
		from.SetStreamHandler(bsnet.ProtocolBitswap, func(network.Stream) { asked <- true })
		done := make(chan error, 1)
		go func() { done <- to.Fetch(ctx, sum(cid.Raw, []byte("never")), from.ID(), plenty, nil) }()
		<-asked
		end.do(from, to)
		if err := <-done; !errors.Is(err, end.want) {
			t.Errorf("%s: got %v, want %v", name, err, end.want)
		}
	}
	to := openStore(t, newHost(t))
	unknown := newHost(t).ID()
	wantErr(t, to.Fetch(ctx, sum(cid.Raw, []byte("x")), unknown, plenty, nil), ErrPeerGone)
}

func countBlocks(t tb, s *Store) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.blocks.dir, "?", "*"))
	check(t, err)
	return len(found)
}

func sentBlocks(t tb, s *Store) int {
	t.Helper()
	stat, err := s.swap.server.Stat()
	check(t, err)
	return int(stat.BlocksSent)
}
