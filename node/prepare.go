package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/node/data"
	"github.com/lode-market/lode/node/run"
	"github.com/lode-market/lode/node/wire"
	"github.com/lode-market/lode/proto"
)

// Bounds of the trees that jobs bring and leave.
const (
	maxEntries = 1 << 20 // files and directories
	maxDepth   = 64      // directories inside each other
)

// prepare brings what the job needs from the requester, and nobody else, and has
// the driver check it. Done again it finds what is there.
func (l *providerLease) prepare(ctx context.Context) market.ProviderEvent {
	ctx, cancel := context.WithTimeout(ctx, l.p.cfg.PrepareTime)
	defer cancel()
	driver := l.p.drivers[l.terms.Driver]
	if driver == nil {
		return market.ProviderPrepareFailed{Detail: "the provider no longer runs " + string(l.terms.Driver) + " jobs"}
	}
	err := l.bring(ctx)
	if err == nil {
		err = driver.Prepare(ctx, l.spec(), func(p run.Progress) {
			l.emit(wire.Preparing{Stage: p.Step, Done: uint64(p.Done), Total: uint64(p.Total)})
		})
	}
	if err != nil {
		return market.ProviderPrepareFailed{Detail: proto.Printable(err.Error())}
	}
	return market.ProviderPrepared{}
}

// bring fetches module and inputs, and lays them out as files. All inputs
// together fit into the disk that the terms give, and leave room for outputs.
func (l *providerLease) bring(ctx context.Context) error {
	if l.job.Module != nil {
		limits := data.Limits{Bytes: run.MaxModule, Entries: 1, Depth: 1}
		if err := l.fetch(ctx, "module", *l.job.Module, limits); err != nil {
			return err
		}
		if err := l.p.module(*l.job.Module, limits); err != nil {
			return err
		}
	}
	left := data.Limits{Bytes: min(l.p.cfg.MaxInputs, l.job.Resources.Disk-proto.LeastDisk), Entries: maxEntries, Depth: maxDepth}
	l.brought = 0
	for i, in := range l.job.Inputs {
		if err := l.fetch(ctx, in.Path, in.Root, left); err != nil {
			return err
		}
		size, err := l.p.data.Measure(ctx, in.Root, left)
		if err != nil {
			return fmt.Errorf("%s: %w; inputs and outputs share the disk that the job asks for", in.Path, err)
		}
		l.brought += size.Bytes
		left.Bytes, left.Entries = left.Bytes-size.Bytes, left.Entries-size.Entries
		dest := l.inputPath(i)
		if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
			return err
		}
		if _, err := os.Lstat(dest); err == nil {
			continue // an export is there whole or not at all
		}
		if _, err := l.p.data.Export(ctx, in.Root, dest, data.Limits{Bytes: size.Bytes, Entries: size.Entries, Depth: maxDepth}); err != nil {
			return err
		}
	}
	return nil
}

func (l *providerLease) fetch(ctx context.Context, what string, root cid.Cid, limits data.Limits) error {
	var told int64
	err := fetchFrom(ctx, l.p.data, l.requester, root, limits, l.p.cfg.PrepareTime, func(p data.Progress) {
		const step = 4 << 20
		if p.Bytes-told >= step {
			told = p.Bytes
			l.emit(wire.Preparing{Stage: "fetch " + cut(what, 40), Done: uint64(p.Bytes)})
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// cut shortens s to at most n bytes.
func cut(s string, n int) string { return s[:min(len(s), n)] }

func (l *providerLease) inputPath(i int) string {
	return filepath.Join(l.p.jobDir(l.id), "inputs", fmt.Sprint(i))
}

// module lays a module out as a file that leases share, and notes its digest. It
// is theirs together, so it does not end with the lease that came first.
func (p *provider) module(root cid.Cid, limits data.Limits) error {
	_, err, _ := p.exporting.Do(root.String(), func() (any, error) {
		ctx, cancel := context.WithTimeout(p.ctx, p.cfg.PrepareTime)
		defer cancel()
		path := p.modulePath(root)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		// An export is there whole or not at all.
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			if _, err := p.data.Export(ctx, root, path, limits); err != nil {
				return nil, err
			}
		}
		info, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("module %s is a folder; required: a file", root)
		}
		digest, err := fileDigest(path)
		if err != nil {
			return nil, err
		}
		p.mu.Lock()
		p.modules[root.String()] = digest
		p.mu.Unlock()
		now := p.now()
		return nil, os.Chtimes(path, now, now) // its last use
	})
	return err
}

func (p *provider) modulePath(root cid.Cid) string {
	return filepath.Join(p.dir, modules, root.String())
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// spec is the job as the driver takes it: every reference a local path.
func (l *providerLease) spec() run.Spec {
	t, r := l.terms, l.job.Resources
	s := run.Spec{
		ID: l.id.String(), Tenant: t.Channel.PayerSigner.Hex(), // who signed the terms: anybody may name a payer
		Args: l.job.Args, Inputs: make(map[string]string),
		Limits: run.Limits{
			Memory: r.Memory, CPUMillis: int(r.CPUMillis),
			// Outputs and scratch share what inputs leave of what was asked for.
			OutputBytes: (r.Disk - l.brought) / 2, TmpBytes: (r.Disk - l.brought) / 2, OutputDepth: maxDepth, OutputFiles: min(maxEntries, 1024+r.Disk/4096),
		},
		Deterministic: l.job.Deterministic, Seed: uint64(l.job.Seed),
		Grace: t.Grace, MaxUsage: t.MaxDuration,
	}
	for _, v := range l.job.Env {
		s.Env = append(s.Env, v.Name+"="+v.Value)
	}
	for i, in := range l.job.Inputs {
		s.Inputs[in.Path] = l.inputPath(i)
	}
	if l.job.Module != nil {
		s.Module = l.p.modulePath(*l.job.Module)
		l.p.mu.Lock()
		s.ModuleDigest = l.p.modules[l.job.Module.String()]
		l.p.mu.Unlock()
	}
	if l.job.Image != nil {
		s.Docker = &run.DockerSpec{Image: *l.job.Image, Shm: r.Shm}
	}
	slices.Sort(s.Env)
	return s
}

// collect takes what the job left in its outputs into the block store.
func (l *providerLease) collect(ctx context.Context, task run.Task, end proto.End) market.ProviderEvent {
	switch {
	case task == nil && end == proto.EndExited:
		return market.ProviderCollectFailed{Detail: "the outputs did not survive a restart of the provider"}
	case task == nil:
		return market.ProviderCollected{} // it never ran
	}
	limits := data.Limits{Bytes: l.job.Resources.Disk, Entries: maxEntries, Depth: maxDepth}
	root, _, err := l.p.data.AddPath(ctx, task.OutputPath(), data.AddOptions{Limits: limits})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return market.ProviderCollected{} // the shim died before there was anything
	case err != nil:
		return market.ProviderCollectFailed{Detail: proto.Printable(err.Error())}
	}
	return market.ProviderCollected{Result: root.Bytes()}
}
