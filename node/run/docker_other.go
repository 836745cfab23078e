//go:build unix && !linux

package run

import (
	"context"
	"os"
	"time"
)

// The docker driver needs Linux; elsewhere the package builds, for requesters.

type scratch struct{ device string }

func newScratch(context.Context, string, int64, int64, uint32) (*scratch, error) {
	return nil, supported()
}

func scratchTools() error { return supported() }

func checkScratch(context.Context, string) error { return supported() }

func (s *scratch) root() (*os.Root, error) { return nil, supported() }

func (s *scratch) full(int64, int64) bool { return false }

func (s *scratch) close() error { return nil }

type initProcess struct{}

func holdProcess(int) (*initProcess, error) { return nil, supported() }

func (p *initProcess) kill() error { return supported() }

func (p *initProcess) gone(time.Duration) bool { return false }

func (p *initProcess) close() error { return nil }

func (p *initProcess) used() int64 { return 0 }
