package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// moduleRef names a module and where its compiled form is cached. Each module
// has a cache folder of its own, so one that bent the compiler could spoil
// nobody's code but its own.
type moduleRef struct {
	Path   string `json:"path"`
	Digest string `json:"digest"` // SHA-256 in hex
	Cache  string `json:"cache"`
}

// read gives the module's bytes once they are the ones that were named.
func (r moduleRef) read() ([]byte, error) {
	file, err := os.Open(r.Path)
	if err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(file, MaxModule+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("module: %w", err)
	}
	if len(body) > MaxModule {
		return nil, fmt.Errorf("%w: module has more than %d bytes", ErrSpec, MaxModule)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != r.Digest {
		return nil, fmt.Errorf("%w: module is %x, required %s", ErrDigest, sum, r.Digest)
	}
	return body, nil
}

// module is a compiled module in a runtime that can instantiate it many times.
type module struct {
	digest   string
	runtime  wazero.Runtime
	cache    wazero.CompilationCache
	compiled wazero.CompiledModule
	// demand is the memory in bytes that it takes from its start; 0 where the
	// module does not export its memory.
	demand int64
}

// compile makes body ready to run, from the cache in dir when it is there.
func compile(ctx context.Context, body []byte, digest, dir string) (_ *module, err error) {
	if body, err = boundTables(body); err != nil {
		return nil, err
	}
	ctx = experimental.WithCompilationWorkers(ctx, runtime.NumCPU())
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		return nil, fmt.Errorf("compile cache: %w", err)
	}
	m := &module{digest: digest, cache: cache}
	m.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))
	defer func() {
		if err != nil {
			// The error to report is the one at hand.
			_ = m.close(ctx)
		}
	}()
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, m.runtime); err != nil {
		return nil, fmt.Errorf("host module: %w", err)
	}
	m.compiled, err = m.runtime.CompileModule(ctx, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotWasm, clip(err.Error(), maxDetail/2))
	}
	if memory := m.compiled.ExportedMemories()["memory"]; memory != nil {
		m.demand = int64(memory.Min()) << 16
	}
	return m, m.check()
}

// check tells what would only fail when the module is started.
func (m *module) check() error {
	start := m.compiled.ExportedFunctions()["_start"]
	if start == nil || len(start.ParamTypes())+len(start.ResultTypes()) != 0 {
		return fmt.Errorf("%w: it exports no function _start; build a command, for example with GOOS=wasip1 GOARCH=wasm", ErrNotWasm)
	}
	if len(m.compiled.ImportedMemories()) > 0 {
		return fmt.Errorf("%w: it imports a memory", ErrNotWasm)
	}
	known := m.runtime.Module(wasi_snapshot_preview1.ModuleName).ExportedFunctionDefinitions()
	for _, f := range m.compiled.ImportedFunctions() {
		from, name, _ := f.Import()
		if from != wasi_snapshot_preview1.ModuleName || !sameSignature(known[name], f) {
			return fmt.Errorf("%w: it imports %.80q from %.80q, only WASI preview 1 is there", ErrNotWasm, name, from)
		}
	}
	return nil
}

func sameSignature(have, want api.FunctionDefinition) bool {
	if have == nil {
		return false
	}
	return string(have.ParamTypes()) == string(want.ParamTypes()) && string(have.ResultTypes()) == string(want.ResultTypes())
}

func (m *module) close(ctx context.Context) error {
	return errors.Join(m.runtime.Close(ctx), m.cache.Close(ctx))
}

func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
