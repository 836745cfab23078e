package run

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"pgregory.net/rapid"
)

// archived packs files of a name and size, filled with zeroes.
func archived(tb testing.TB, size int64) []byte {
	tb.Helper()
	var packed bytes.Buffer
	archive := tar.NewWriter(&packed)
	if err := archive.WriteHeader(&tar.Header{Name: "zeroes", Size: size, Mode: 0o644}); err != nil {
		tb.Fatal(err)
	}
	if _, err := archive.Write(make([]byte, size)); err != nil {
		tb.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		tb.Fatal(err)
	}
	return packed.Bytes()
}

// TestResolve asks a real registry for images by tag, digest and index.
func TestResolve(t *testing.T) {
	images := testImages(t)
	image := imageOf(t, v1.Config{}, archived(t, 100))
	tag := push(t, "resolve", image)
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	wanted := localRegistry() + "/resolve@" + digest.String()
	other, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "other"})
	if err != nil {
		t.Fatal(err)
	}
	here := &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}
	both := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "other"}}},
		mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: here}})
	foreign := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "other"}}})
	for repository, index := range map[string]v1.ImageIndex{"resolve/both": both, "resolve/foreign": foreign} {
		ref, err := name.ParseReference(localRegistry() + "/" + repository)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.WriteIndex(ref, index); err != nil {
			t.Fatal(err)
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	unreachable := strings.TrimPrefix(closed.URL, "http://")
	allowed := NewImages(ImagesConfig{AllowedRegistries: []string{unreachable}})
	t.Cleanup(allowed.Close)
	for what, c := range map[string]struct {
		images    *Images
		ref, want string
		err       error
	}{
		"tag":              {images, tag, wanted, nil},
		"digest":           {images, wanted, wanted, nil},
		"index":            {images, localRegistry() + "/resolve/both", localRegistry() + "/resolve/both@" + digest.String(), nil},
		"other platform":   {images, localRegistry() + "/resolve/foreign", "", ErrImagePlatform},
		"no such tag":      {images, localRegistry() + "/resolve:none", "", ErrImageNotFound},
		"no such image":    {images, localRegistry() + "/none", "", ErrImageNotFound},
		"malformed":        {images, "Not A Reference", "", ErrImageRef},
		"empty":            {images, "", "", ErrImageRef},
		"endless":          {images, strings.Repeat("a", 10_000), "", ErrImageRef},
		"nobody there":     {allowed, unreachable + "/x", "", ErrRegistryUnreachable},
		"loopback":         {images, unreachable + "/x", "", ErrRegistryRefused},
		"loopback by name": {allowed, "localhost:1/x", "", ErrRegistryRefused},
		"metadata":         {allowed, "169.254.169.254/x", "", ErrRegistryRefused},
		"own LAN":          {allowed, "10.0.0.1:5000/x", "", ErrRegistryRefused},
		"IPv6":             {allowed, "[::1]:5000/x", "", ErrRegistryRefused},
	} {
		t.Run(what, func(t *testing.T) {
			got, err := c.images.Resolve(deadline(t), c.ref)
			want(t, err, c.err)
			if got.Ref != c.want || err == nil && got.Size < 100 {
				t.Errorf("resolved to %+v, want %q", got, c.want)
			}
		})
	}
}

// hostileRegistry answers as it is told, on loopback, and may be talked to.
func hostileRegistry(tb testing.TB, answer http.HandlerFunc) (*Images, string) {
	tb.Helper()
	server := httptest.NewServer(answer)
	tb.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	images := NewImages(ImagesConfig{AllowedRegistries: []string{host}})
	tb.Cleanup(images.Close)
	return images, host
}

// TestRegistryHostile: a registry that may be talked to cannot send us elsewhere,
// nor talk without end.
func TestRegistryHostile(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the inner network was reached") }))
	defer inner.Close()
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		err    error
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "manifests") {
				http.Redirect(w, r, inner.URL+"/secret", http.StatusTemporaryRedirect)
			}
		}, ErrRegistryRefused},
		"token realm": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+strings.Replace(inner.URL, "127.0.0.1", "localhost", 1)+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}, ErrRegistryRefused},
		"endless manifest": {func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "manifests") {
				return
			}
			w.Header().Set("Content-Type", string(types.DockerManifestSchema2))
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, ErrImageTooBig},
		"nonsense": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", string(types.DockerManifestSchema2))
			fmt.Fprint(w, "{nonsense")
		}, ErrImageBad},
		"fault":     {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNotImplemented) }, ErrRegistryUnreachable},
		"forbidden": {func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }, ErrImageNotFound},
	} {
		t.Run(what, func(t *testing.T) {
			images, host := hostileRegistry(t, c.answer)
			_, err := images.Resolve(deadline(t), host+"/x:latest")
			want(t, err, c.err)
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		asked := make(chan struct{})
		images, host := hostileRegistry(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case asked <- struct{}{}:
			case <-r.Context().Done():
			}
			<-r.Context().Done()
		})
		ctx, cancel := context.WithCancel(deadline(t))
		go func() { <-asked; cancel() }()
		_, err := images.Resolve(ctx, host+"/x:latest")
		want(t, err, context.Canceled)
	})
}

// fetchFrom fetches a pushed image with these limits.
func fetchFrom(tb testing.TB, repository string, image v1.Image, packed, unpacked int64) (*fetched, error) {
	tb.Helper()
	images := NewImages(ImagesConfig{AllowedRegistries: []string{localRegistry()}, MaxPacked: packed, MaxUnpacked: unpacked})
	tb.Cleanup(images.Close)
	ref, err := parsePinned(pinned(tb, repository, image))
	if err != nil {
		tb.Fatal(err)
	}
	return images.fetch(deadline(tb), ref, tb.TempDir(), func(Progress) {})
}

// TestFetch measures what an image takes before an engine gets it.
func TestFetch(t *testing.T) {
	layer := archived(t, 1<<20)
	image := imageOf(t, v1.Config{}, layer, layer, archived(t, 10))
	whole, err := fetchFrom(t, "fetch", image, 1<<20, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := whole.writeArchive(&archive, "lode.invalid/x:1"); err != nil {
		t.Fatal(err)
	}
	files := make(map[string]int64)
	for reader := tar.NewReader(&archive); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = header.Size
	}
	if len(files) != 4 || whole.size() != int64(2*len(layer))+2048 {
		t.Errorf("the archive holds %v, size is %d", files, whole.size())
	}
	_, err = fetchFrom(t, "fetch", image, 1000, 4<<20)
	want(t, err, ErrImageTooBig)
	_, err = fetchFrom(t, "fetch", image, 1<<20, 2<<20)
	want(t, err, ErrImageTooBig)
	_, err = fetchFrom(t, "fetch/bad", imageOf(t, v1.Config{}, []byte("this is no archive")), 1<<20, 1<<20)
	want(t, err, ErrImageBad)

	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	lying := config.DeepCopy()
	lying.RootFS.DiffIDs[2] = lying.RootFS.DiffIDs[0]
	liar, err := mutate.ConfigFile(image, lying)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fetchFrom(t, "fetch/liar", liar, 1<<20, 4<<20)
	want(t, err, ErrImageBad)
	foreign := config.DeepCopy()
	foreign.Architecture = "other"
	if liar, err = mutate.ConfigFile(image, foreign); err != nil {
		t.Fatal(err)
	}
	_, err = fetchFrom(t, "fetch/foreign", liar, 1<<20, 4<<20)
	want(t, err, ErrImagePlatform)
}

// TestFetchSparse: an engine writes the holes of a sparse file out, so they count.
func TestFetchSparse(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(1 << 40); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"gnu", "posix"} {
		layer, err := exec.Command("tar", "-C", dir, "--sparse", "--format="+format, "-cf", "-", "sparse").Output()
		if err != nil {
			t.Fatal(err)
		}
		if len(layer) > 1<<20 {
			t.Fatalf("tar wrote %d bytes", len(layer))
		}
		_, err = fetchFrom(t, "fetch/sparse", imageOf(t, v1.Config{}, layer), 1<<20, 1<<30)
		want(t, err, ErrImageTooBig)
	}
}

// TestPublicAddress agrees with the standard library about what is surely private.
func TestPublicAddress(t *testing.T) {
	for _, public := range []string{"1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1"} {
		if !publicAddress(netip.MustParseAddr(public)) {
			t.Errorf("%s is refused", public)
		}
	}
	for _, private := range []string{"100.64.0.1", "198.18.0.1", "0.0.0.0", "::", "::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
		"64:ff9b::a00:1", "2002:a00:1::", "2001:0:a00:1::", "fe80::1%eth0", "fd00:ec2::254", "255.255.255.255"} {
		if publicAddress(netip.MustParseAddr(private)) {
			t.Errorf("%s is let through", private)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "v4")
		if rapid.Bool().Draw(t, "v6") {
			raw = rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "v6 bytes")
		}
		addr, _ := netip.AddrFromSlice(raw)
		private := addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified()
		if private && publicAddress(addr) {
			t.Fatalf("%s is let through", addr)
		}
	})
}

// FuzzUnpackMeasure: no layer makes the measure fail in another way than with an
// error of ours, or pass its limit.
func FuzzUnpackMeasure(f *testing.F) {
	f.Add(archived(f, 10))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	if _, err := writer.Write(archived(f, 1<<20)); err != nil {
		f.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes())
	f.Fuzz(func(t *testing.T, body []byte) {
		file := filepath.Join(t.TempDir(), "layer")
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		const limit = 64 << 10
		m := &unpackMeasure{limit: limit}
		layer, err := m.layer(t.Context(), &packedLayer{path: file, size: int64(len(body)), mediaType: types.DockerLayer}, v1.Hash{Algorithm: "sha256", Hex: "00"})
		if err == nil {
			t.Fatalf("a layer of another digest was taken: %+v", layer)
		}
		if m.bytes > 2*limit {
			t.Fatalf("it went on to %d bytes", m.bytes)
		}
	})
}

// FuzzPinned: whatever is taken for a reference by digest is one, and stays the
// same when read again.
func FuzzPinned(f *testing.F) {
	f.Add("busybox@sha256:" + strings.Repeat("a", 64))
	f.Add("registry.example:5000/a/b:tag@sha256:" + strings.Repeat("0", 64))
	f.Add("busybox@sha512:" + strings.Repeat("a", 128))
	f.Fuzz(func(t *testing.T, ref string) {
		parsed, err := parsePinned(ref)
		if err != nil {
			return
		}
		again, err := parsePinned(parsed.Name())
		if err != nil || again.Name() != parsed.Name() || len(ownImage(again)) != len(ownTag)+1+64 {
			t.Fatalf("%q is %q, then %q, %v", ref, parsed.Name(), again.Name(), err)
		}
	})
}
