package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Errors about images. They are wrapped with the reference, the actual and the
// required value.
var (
	// ErrImageRef is returned for a reference that is malformed, or not by digest where one is required.
	ErrImageRef = errors.New("invalid image reference")
	// ErrImageNotFound is returned when the registry has no such image, or wants
	// credentials for it: images are read without any.
	ErrImageNotFound = errors.New("image not found")
	// ErrImagePlatform is returned when the image does not run on this kind of machine.
	ErrImagePlatform = errors.New("image is for another platform")
	// ErrImageTooBig is returned when an image takes more bytes than Images allows,
	// by its own words or in fact, packed or unpacked.
	ErrImageTooBig = errors.New("image is too big")
	// ErrImageBad is returned for an image that contradicts itself.
	ErrImageBad = errors.New("malformed image")
	// ErrRegistryUnreachable is returned when a registry does not answer, or not as one.
	ErrRegistryUnreachable = errors.New("registry unreachable")
	// ErrRegistryRefused is returned for a registry at a private address that is
	// not named in ImagesConfig.AllowedRegistries.
	ErrRegistryRefused = errors.New("registry not allowed")
)

// ImagesConfig says which images are read, from where.
type ImagesConfig struct {
	// AllowedRegistries are the registries, as host or host:port, that may live at
	// a private address. All others must be at public ones.
	AllowedRegistries []string
	// Architecture is the one to pick out of an index, in GOARCH's words. Default: this machine's.
	Architecture string
	// MaxPacked bounds what one image takes on the wire, in bytes. Default: 32 GiB.
	MaxPacked int64
	// MaxUnpacked bounds what one image takes on disk, in bytes. Default: 64 GiB.
	MaxUnpacked int64
	// Log gets warnings. Default: none are written.
	Log *slog.Logger
}

// Images resolves and fetches images from registries, without an engine and
// without credentials. Its methods may be called concurrently.
type Images struct {
	config    ImagesConfig
	transport *http.Transport
}

// Image is what a reference stands for.
type Image struct {
	// Ref is the image by the digest of its manifest for one platform:
	// registry/repository@sha256:...
	Ref string
	// Size is what has to be fetched, in bytes, by the manifest's word.
	Size int64
}

// NewImages needs no network.
func NewImages(config ImagesConfig) *Images {
	if config.Architecture == "" {
		config.Architecture = runtime.GOARCH
	}
	if config.MaxPacked == 0 {
		config.MaxPacked = defaultMaxPacked
	}
	if config.MaxUnpacked == 0 {
		config.MaxUnpacked = defaultMaxUnpacked
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	guard := &guardedDialer{allowed: make(map[string]bool), dialer: net.Dialer{Timeout: registryTimeout}}
	for _, host := range config.AllowedRegistries {
		guard.allowed[host] = true
		if _, _, err := net.SplitHostPort(host); err != nil {
			guard.allowed[net.JoinHostPort(host, "443")] = true
			guard.allowed[net.JoinHostPort(host, "80")] = true
		}
	}
	return &Images{
		config: config,
		transport: &http.Transport{
			// No proxy: it would connect where the guard may not look.
			Proxy:                  nil,
			DialContext:            guard.DialContext,
			TLSHandshakeTimeout:    registryTimeout,
			ResponseHeaderTimeout:  registryTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			IdleConnTimeout:        registryTimeout,
			MaxIdleConnsPerHost:    4,
			ForceAttemptHTTP2:      true,
			// Blobs are packed already, and a packed answer could grow behind the budget.
			DisableCompression: true,
		},
	}
}

// Resolve asks the registry what ref (name, name:tag or name@digest) stands for
// on the configured architecture. The image itself is not fetched.
func (i *Images) Resolve(ctx context.Context, ref string) (Image, error) {
	parsed, err := parseRef(ref)
	if err != nil {
		return Image{}, err
	}
	reading := i.read(ctx, maxManifests)
	defer reading.close()
	image, manifest, err := reading.manifest(parsed)
	if err != nil {
		return Image{}, err
	}
	digest, err := image.Digest()
	if err != nil {
		return Image{}, reading.explain(parsed, err)
	}
	size, err := packedSize(parsed, manifest)
	if err != nil {
		return Image{}, err
	}
	return Image{Ref: parsed.Context().Digest(digest.String()).Name(), Size: size}, nil
}

// Close ends idle connections.
func (i *Images) Close() { i.transport.CloseIdleConnections() }

// parseRef reads any reference; errors quote it, shortened.
func parseRef(ref string) (name.Reference, error) {
	if len(ref) > maxRef {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrImageRef, len(ref), maxRef)
	}
	parsed, err := name.ParseReference(ref)
	if err != nil {
		return nil, fmt.Errorf("%w: %q, required NAME[:TAG] or NAME@sha256:DIGEST in lower case", ErrImageRef, ref)
	}
	return parsed, nil
}

// parsePinned reads a reference by digest.
func parsePinned(ref string) (name.Digest, error) {
	parsed, err := parseRef(ref)
	if err != nil {
		return name.Digest{}, err
	}
	digest, ok := parsed.(name.Digest)
	if !ok {
		return name.Digest{}, fmt.Errorf("%w: %q names no digest, required NAME@sha256:DIGEST", ErrImageRef, ref)
	}
	if hash, err := v1.NewHash(digest.DigestStr()); err != nil || hash.Algorithm != "sha256" {
		return name.Digest{}, fmt.Errorf("%w: %q, required a SHA-256 digest", ErrImageRef, ref)
	}
	return digest, nil
}

// reading is one conversation with a registry, under one budget.
type reading struct {
	images *Images
	ctx    context.Context
	budget *budgetTransport
	close  func()
}

func (i *Images) read(ctx context.Context, budget int64) *reading {
	ctx, cancel := context.WithCancelCause(ctx)
	counted := &budgetTransport{RoundTripper: i.transport, stop: cancel}
	counted.left.Store(budget)
	return &reading{images: i, ctx: ctx, budget: counted, close: func() { cancel(nil) }}
}

// manifest fetches the image's manifest, the one for our architecture where ref
// names an index.
func (r *reading) manifest(ref name.Reference) (v1.Image, *v1.Manifest, error) {
	options := []remote.Option{
		remote.WithContext(r.ctx),
		remote.WithTransport(r.budget),
		remote.WithAuth(authn.Anonymous),
		remote.WithUserAgent("lode"),
		remote.WithRetryBackoff(remote.Backoff{Duration: 200 * time.Millisecond, Factor: 3, Steps: 3}),
		remote.WithJobs(1),
	}
	found, err := remote.Get(ref, options...)
	if err != nil {
		return nil, nil, r.explain(ref, err)
	}
	if found.MediaType.IsIndex() {
		digest, err := r.pick(ref, found)
		if err != nil {
			return nil, nil, err
		}
		if found, err = remote.Get(ref.Context().Digest(digest.String()), options...); err != nil {
			return nil, nil, r.explain(ref, err)
		}
	}
	if !found.MediaType.IsImage() {
		return nil, nil, fmt.Errorf("%w: %s is a %.80q, required an image", ErrImageBad, ref, found.MediaType)
	}
	image, err := found.Image()
	if err != nil {
		return nil, nil, r.explain(ref, err)
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, nil, r.explain(ref, err)
	}
	return image, manifest, nil
}

// pick chooses from an index the first image for our architecture.
func (r *reading) pick(ref name.Reference, index *remote.Descriptor) (v1.Hash, error) {
	parsed, err := v1.ParseIndexManifest(bytes.NewReader(index.Manifest))
	if err != nil {
		return v1.Hash{}, fmt.Errorf("%w: %s: %w", ErrImageBad, ref, err)
	}
	var others []string
	for _, child := range parsed.Manifests {
		if child.Platform == nil || !child.MediaType.IsImage() {
			continue
		}
		if child.Platform.OS == "linux" && child.Platform.Architecture == r.images.config.Architecture {
			return child.Digest, nil
		}
		others = append(others, child.Platform.String())
	}
	return v1.Hash{}, fmt.Errorf("%w: %s is for %.200q, required linux/%s", ErrImagePlatform, ref, others, r.images.config.Architecture)
}

// explain turns what the library says into one of our errors.
func (r *reading) explain(ref name.Reference, err error) error {
	host := ref.Context().RegistryStr()
	var answer *transport.Error
	switch {
	case r.budget.spent.Load():
		return fmt.Errorf("%w: %s sent more than it may", ErrImageTooBig, host)
	case errors.Is(err, ErrRegistryRefused):
		return fmt.Errorf("%s: %w", ref, err)
	case r.ctx.Err() != nil:
		return fmt.Errorf("read %s: %w", ref, context.Cause(r.ctx))
	case errors.As(err, &answer) && notThere[answer.StatusCode]:
		return fmt.Errorf("%w: %s has no %s that can be read without credentials (HTTP %d)", ErrImageNotFound, host, ref, answer.StatusCode)
	case errors.As(err, &answer):
		return fmt.Errorf("%w: %s answered HTTP %d for %s", ErrRegistryUnreachable, host, answer.StatusCode, ref)
	case errors.As(err, new(*net.OpError)):
		return fmt.Errorf("%w: %s: %w", ErrRegistryUnreachable, host, err)
	default:
		return fmt.Errorf("%w: %s: %w", ErrImageBad, ref, err)
	}
}

// notThere are the answers for an image that does not exist for us: registries
// hide what exists by asking for credentials.
var notThere = map[int]bool{http.StatusNotFound: true, http.StatusUnauthorized: true, http.StatusForbidden: true}

// packedSize adds up what the manifest says.
func packedSize(ref name.Reference, manifest *v1.Manifest) (int64, error) {
	if len(manifest.Layers) > maxLayers {
		return 0, fmt.Errorf("%w: %s has %d layers, at most %d", ErrImageTooBig, ref, len(manifest.Layers), maxLayers)
	}
	if manifest.Config.Size < 0 || manifest.Config.Size > maxImageConfig {
		return 0, fmt.Errorf("%w: the configuration of %s takes %d bytes, at most %d", ErrImageTooBig, ref, manifest.Config.Size, maxImageConfig)
	}
	size := manifest.Config.Size
	for _, layer := range manifest.Layers {
		if !layer.MediaType.IsDistributable() || !layer.MediaType.IsLayer() {
			return 0, fmt.Errorf("%w: %s has a layer of type %.80q", ErrImageBad, ref, layer.MediaType)
		}
		// What does not fit into 63 bits is refused before it can wrap around.
		if layer.Size < 0 || layer.Size > maxLayerSize {
			return 0, fmt.Errorf("%w: a layer of %s takes %d bytes", ErrImageTooBig, ref, layer.Size)
		}
		size += layer.Size
	}
	return size, nil
}
