package run

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fetched is an image on our disk, whole, checked and measured, that can be
// handed to an engine.
type fetched struct {
	config  []byte
	diffIDs []v1.Hash
	layers  []*plainLayer
}

// size is what the layers take unpacked, in bytes.
func (f *fetched) size() int64 {
	total := int64(0)
	for _, layer := range f.layers {
		total += layer.size
	}
	return total
}

// fetch brings the image to dir, an empty directory of the caller's. An engine
// would fetch it too, but would follow the registry to any address and unpack
// without counting.
func (i *Images) fetch(ctx context.Context, ref name.Digest, dir string, progress func(Progress)) (*fetched, error) {
	reading := i.read(ctx, i.config.MaxPacked+maxManifests)
	defer reading.close()
	image, manifest, err := reading.manifest(ref)
	if err != nil {
		return nil, err
	}
	size, err := packedSize(ref, manifest)
	if err != nil {
		return nil, err
	}
	if size > i.config.MaxPacked {
		return nil, fmt.Errorf("%w: %s takes %d bytes, at most %d", ErrImageTooBig, ref, size, i.config.MaxPacked)
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, reading.explain(ref, err)
	}
	if config.OS != "linux" || config.Architecture != i.config.Architecture {
		return nil, fmt.Errorf("%w: %s is for %.40q, required linux/%s", ErrImagePlatform, ref, config.OS+"/"+config.Architecture, i.config.Architecture)
	}
	if len(config.RootFS.DiffIDs) != len(manifest.Layers) {
		return nil, fmt.Errorf("%w: %s has %d layers and %d digests for them", ErrImageBad, ref, len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	remote, err := image.Layers()
	if err != nil {
		return nil, reading.explain(ref, err)
	}
	measure := &unpackMeasure{limit: i.config.MaxUnpacked}
	raw, err := image.RawConfigFile()
	if err != nil {
		return nil, reading.explain(ref, err)
	}
	whole := &fetched{config: raw, diffIDs: config.RootFS.DiffIDs}
	done := int64(0)
	for n, layer := range remote {
		file := filepath.Join(dir, fmt.Sprintf("layer-%d", n))
		want := manifest.Layers[n].Size
		if err := spool(layer, file, want, func(bytes int64) { progress(Progress{Step: "pull", Done: done + bytes, Total: size}) }); err != nil {
			return nil, reading.explain(ref, err)
		}
		done += want
		local, err := measure.layer(ctx, &packedLayer{path: file, digest: manifest.Layers[n].Digest, size: want, mediaType: manifest.Layers[n].MediaType}, config.RootFS.DiffIDs[n])
		if err != nil {
			return nil, fmt.Errorf("%s: layer %d: %w", ref, n, err)
		}
		whole.layers = append(whole.layers, local)
	}
	return whole, nil
}

// spool copies a layer as the registry sends it. The library checks the digest
// when the end is read.
func spool(layer v1.Layer, path string, want int64, progress func(int64)) (err error) {
	from, err := layer.Compressed()
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	got, err := io.Copy(&progressWriter{Writer: to, tell: progress}, io.LimitReader(from, want+1))
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: layer has %d bytes or more, its manifest says %d", ErrImageBad, got, want)
	}
	return nil
}

// progressWriter tells every progressStep bytes.
type progressWriter struct {
	io.Writer
	tell       func(int64)
	done, told int64
}

// Write implements io.Writer.
func (w *progressWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.done += int64(n)
	if w.done-w.told >= progressStep {
		w.told = w.done
		w.tell(w.done)
	}
	return n, err
}

// packedLayer is a layer in a file, as it was fetched.
type packedLayer struct {
	path      string
	digest    v1.Hash
	size      int64
	mediaType types.MediaType
}

var _ partial.CompressedLayer = (*packedLayer)(nil)

// Digest implements partial.CompressedLayer.
func (l *packedLayer) Digest() (v1.Hash, error) { return l.digest, nil }

// Compressed implements partial.CompressedLayer.
func (l *packedLayer) Compressed() (io.ReadCloser, error) { return os.Open(l.path) }

// Size implements partial.CompressedLayer.
func (l *packedLayer) Size() (int64, error) { return l.size, nil }

// MediaType implements partial.CompressedLayer.
func (l *packedLayer) MediaType() (types.MediaType, error) { return l.mediaType, nil }

// plainLayer is a layer that is handed over unpacked, whatever it was packed
// with: an old engine does not know zstd.
type plainLayer struct {
	packed v1.Layer
	diffID v1.Hash // of the unpacked bytes
	size   int64   // of the unpacked bytes
}

// unpackMeasure counts what the layers of one image will take on the engine's disk.
type unpackMeasure struct {
	limit   int64
	bytes   int64 // files, rounded up to blocks
	entries int64
}

// layer unpacks packed to nowhere. Files are counted by the size in their
// header, holes included: an engine writes holes out in full.
func (m *unpackMeasure) layer(ctx context.Context, packed *packedLayer, diffID v1.Hash) (_ *plainLayer, err error) {
	layer, err := partial.CompressedToLayer(packed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImageBad, err)
	}
	stream, err := layer.Uncompressed()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImageBad, err)
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	raw := &countedReader{ctx: ctx, from: stream, digest: sha256.New(), limit: m.limit}
	if err := m.count(tar.NewReader(raw)); err != nil {
		return nil, err
	}
	// What follows the archive's end is part of the digest.
	if _, err := io.Copy(io.Discard, raw); err != nil {
		return nil, imageError(err)
	}
	if got := hex.EncodeToString(raw.digest.Sum(nil)); diffID.Algorithm != "sha256" || got != diffID.Hex {
		return nil, fmt.Errorf("%w: unpacked it has digest sha256:%s, the image says %s", ErrImageBad, got, diffID)
	}
	return &plainLayer{packed: layer, diffID: diffID, size: raw.bytes}, nil
}

func (m *unpackMeasure) count(archive *tar.Reader) error {
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return imageError(err)
		}
		m.entries++
		if header.Size > m.limit {
			return fmt.Errorf("%w: a file of %d bytes, at most %d unpacked", ErrImageTooBig, header.Size, m.limit)
		}
		// Each entry takes an inode, each file whole blocks.
		m.bytes += unpackBlock + (header.Size+unpackBlock-1)/unpackBlock*unpackBlock
		if m.bytes > m.limit {
			return fmt.Errorf("%w: more than %d bytes unpacked", ErrImageTooBig, m.limit)
		}
		if m.entries > maxImageFiles {
			return fmt.Errorf("%w: more than %d files", ErrImageTooBig, maxImageFiles)
		}
	}
}

// imageError names what reading a stranger's archive ended with.
func imageError(err error) error {
	for _, ours := range []error{ErrImageTooBig, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, ours) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", ErrImageBad, err)
}

// countedReader bounds, hashes and interrupts a stream.
type countedReader struct {
	ctx    context.Context
	from   io.Reader
	digest hash.Hash
	bytes  int64
	limit  int64
}

// Read implements io.Reader.
func (r *countedReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.from.Read(p)
	r.bytes += int64(n)
	if r.bytes > r.limit {
		return 0, fmt.Errorf("%w: more than %d bytes unpacked", ErrImageTooBig, r.limit)
	}
	r.digest.Write(p[:n])
	return n, err
}

// writeArchive writes the image as an archive that `docker load` takes.
func (f *fetched) writeArchive(to io.Writer, tag string) error {
	archive := tar.NewWriter(to)
	sum := sha256.Sum256(f.config)
	manifest := archiveManifest{Config: hex.EncodeToString(sum[:]) + ".json", RepoTags: []string{tag}}
	if err := writeEntry(archive, manifest.Config, int64(len(f.config)), bytes.NewReader(f.config)); err != nil {
		return err
	}
	written := make(map[string]bool)
	for _, layer := range f.layers {
		file := layer.diffID.Hex + ".tar"
		manifest.Layers = append(manifest.Layers, file)
		if written[file] {
			continue // the same bytes twice in one image
		}
		written[file] = true
		if err := layer.writeTo(archive, file); err != nil {
			return err
		}
	}
	body, err := json.Marshal([]archiveManifest{manifest})
	if err != nil {
		return err
	}
	if err := writeEntry(archive, "manifest.json", int64(len(body)), bytes.NewReader(body)); err != nil {
		return err
	}
	return archive.Close()
}

// archiveManifest is an entry of manifest.json in such an archive.
type archiveManifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (l *plainLayer) writeTo(archive *tar.Writer, file string) (err error) {
	from, err := l.packed.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return writeEntry(archive, file, l.size, from)
}

func writeEntry(archive *tar.Writer, name string, size int64, from io.Reader) error {
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o444}); err != nil {
		return err
	}
	_, err := io.CopyN(archive, from, size)
	return err
}
