package data

import (
	"bytes"
	"testing"

	"github.com/ipfs/go-cid"
)

// A result that fits travels inline, and a fetch after it asks nobody.
func TestInline(t *testing.T) {
	ctx := testContext(t)
	from, to := openStore(t, nil), openStore(t, nil)
	shared := randomBytes(1, 1000)
	root := addFiles(t, from, files{"a": shared, "sub/a": shared, "sub/b*": []byte("b"), "empty": nil})
	blocks, complete, err := from.Inline(ctx, root, 64<<10, 256)
	check(t, err)
	if !complete || len(blocks) != 6 { // two directories, shared, empty, b and the node of its mode
		t.Fatalf("got %d blocks, complete %v", len(blocks), complete)
	}
	total := len(bytes.Join(blocks, nil))
	check(t, to.PutInline(ctx, root, blocks))
	check(t, to.Fetch(ctx, root, "", plenty, nil))

	_, complete, err = from.Inline(ctx, root, total, 256)
	check(t, err)
	if !complete {
		t.Error("does not fit into exactly its size")
	}
	some, complete, err := from.Inline(ctx, root, total-1, 256)
	check(t, err)
	if complete || len(some) == 0 || len(some) >= len(blocks) {
		t.Errorf("got %d of %d blocks, complete %v", len(some), len(blocks), complete)
	}

	// What is missing of an incomplete set is left to the fetch.
	half := openStore(t, nil)
	check(t, half.PutInline(ctx, root, some))
	wantErr(t, half.Fetch(ctx, root, "", plenty, nil), ErrOffline)
}

// A message may carry no block but those that its root leads to.
func TestPutInlineRefuses(t *testing.T) {
	ctx := testContext(t)
	from := openStore(t, nil)
	root := addFiles(t, from, files{"a": []byte("a"), "sub/b": []byte("b")})
	blocks, _, err := from.Inline(ctx, root, 64<<10, 256)
	check(t, err)
	bad := bytes.Clone(blocks[0])
	bad[0] ^= 1
	for name, given := range map[string][][]byte{
		"stranger":           append([][]byte{[]byte("stranger")}, blocks...),
		"corrupt root":       append([][]byte{bad}, blocks[1:]...),
		"without the parent": blocks[1:],
	} {
		to := openStore(t, nil)
		wantErr(t, to.PutInline(ctx, root, given), ErrForeignBlock)
		if n := countBlocks(t, to); n != 0 {
			t.Errorf("%s: %d blocks were stored", name, n)
		}
	}
	junk := []byte("junk")
	wantErr(t, from.PutInline(ctx, sum(cid.DagProtobuf, junk), [][]byte{junk}), ErrMalformed)
}
