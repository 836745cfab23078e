package run

import (
	"context"
	"errors"
	"os"
)

// DockerWorks says why this machine can't run container jobs, or nil: it makes a
// docker driver in a folder of its own and lets it go again.
func DockerWorks(ctx context.Context, c DockerConfig) error {
	dir, err := os.MkdirTemp("", "lode-docker")
	if err != nil {
		return err
	}
	c.Dir = dir
	d, err := NewDocker(ctx, c)
	if err == nil {
		err = d.Close()
	}
	return errors.Join(err, os.RemoveAll(dir))
}
