package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/moby/moby/client"
)

// load hands an image to the engine under our own tag.
func (e *engine) load(ctx context.Context, ref name.Digest, image *fetched, progress func(Progress)) (err error) {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	total := image.size()
	reader, writer := io.Pipe()
	written := make(chan struct{})
	go func() {
		defer close(written)
		told := &progressWriter{Writer: writer, tell: func(n int64) { progress(Progress{Step: "unpack", Done: min(n, total), Total: total}) }}
		// A reader that has gone ends the writing; either way the reader tells.
		_ = writer.CloseWithError(image.writeArchive(told, ownImage(ref)))
	}()
	defer func() {
		_ = reader.Close() // never fails
		<-written
	}()
	answer, err := e.api.ImageLoad(ctx, reader, client.ImageLoadWithQuiet(true))
	if err != nil {
		return engineError("load image", err)
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	if err := loadAnswer(answer); err != nil {
		return err
	}
	found, err := e.inspect(ctx, ownImage(ref))
	if err != nil {
		return err
	}
	var want []string
	for _, layer := range image.diffIDs {
		want = append(want, layer.String())
	}
	if !slices.Equal(found.RootFS.Layers, want) {
		return fmt.Errorf("%w: the engine took %s for an image of other layers", ErrImageBad, ref)
	}
	return nil
}

// ownImage is the name of a fetched image in the engine.
func ownImage(ref name.Digest) string { return ownTag + ":" + digestHex(ref) }

func digestHex(ref name.Digest) string { return strings.TrimPrefix(ref.DigestStr(), "sha256:") }

// nameless tells whether the engine has the image already, under its id alone. It
// is somebody else's, and our name would be its only one: taking that away later
// would remove it.
func (e *engine) nameless(ctx context.Context, image *fetched) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	found, err := e.inspect(ctx, "sha256:"+digestOf(image.config))
	if errors.Is(err, ErrImageNotFound) {
		return false, nil
	}
	return err == nil && len(found.RepoTags)+len(found.RepoDigests) == 0, err
}

// removeImage takes our name from an image, and removes it where it has no other.
// It tells whether a container uses it and it is still there. Removing what is
// gone is no error.
func (e *engine) removeImage(ctx context.Context, image string) (used bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	// Without force the engine refuses what any container uses, running or not.
	_, err = e.api.ImageRemove(ctx, image, client.ImageRemoveOptions{})
	switch {
	case errdefs.IsConflict(err):
		return true, nil
	case err != nil && !errdefs.IsNotFound(err):
		return false, engineError("remove image", err)
	}
	return false, nil
}

// loadAnswer finds the error in the engine's stream of messages, which comes
// after a status of success.
func loadAnswer(answer io.Reader) error {
	messages := json.NewDecoder(answer)
	for {
		var message struct {
			Error string `json:"error"`
		}
		err := messages.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return engineError("load image", err)
		case message.Error != "":
			return fmt.Errorf("%w: the engine: %s", ErrImageBad, clip(message.Error, maxDetail))
		}
	}
}

// ResolveLocal names an image of the engine at host by a digest, for a requester
// whose image is in no registry: by the repository's digest where the engine
// knows one, else by the image's own id. The latter can be run only by a provider
// with the same image in its engine and DockerConfig.LocalImages set.
func ResolveLocal(ctx context.Context, host, ref string) (Image, error) {
	parsed, err := parseRef(ref)
	if err != nil {
		return Image{}, err
	}
	api, err := client.New(client.WithHost(host))
	if err != nil {
		return Image{}, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	e := &engine{api: api}
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	found, err := e.inspect(ctx, ref)
	if err = errors.Join(err, api.Close()); err != nil {
		return Image{}, err
	}
	image := Image{Ref: parsed.Context().Digest(found.ID).Name(), Size: found.Size}
	for _, known := range found.RepoDigests {
		if digest, err := name.NewDigest(known); err == nil && digest.Context() == parsed.Context() {
			image.Ref = digest.Name()
		}
	}
	return image, nil
}
