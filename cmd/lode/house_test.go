package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/lode-market/lode/"

type goPackage struct {
	ImportPath  string
	Dir         string
	Doc         string
	GoFiles     []string
	Imports     []string
	TestImports []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports,TestImports", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		p.ImportPath = strings.TrimPrefix(p.ImportPath, module)
		all = append(all, p)
	}
}

func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// room is the part of the house that a package is in: a sibling under node/ or
// market/, or one of the top-level folders.
func room(path string) string {
	top, rest, nested := strings.Cut(path, "/")
	if nested && (top == "node" || top == "market") {
		child, _, _ := strings.Cut(rest, "/")
		return top + "/" + child
	}
	return top
}

// floors orders the house: a package imports from lower floors only, and never
// from another room of its own floor.
func floor(path string) int {
	switch r := room(path); {
	case r == "contracts":
		return 0
	case r == "proto":
		return 1
	case r == "market":
		return 2
	case strings.HasPrefix(r, "market/"):
		return 3
	case strings.HasPrefix(r, "node/"):
		return 4
	case r == "node":
		return 5
	case r == "testnet":
		return 6
	case r == "cmd":
		return 7
	}
	return -1
}

func TestDirection(t *testing.T) {
	for _, p := range packages(t) {
		if floor(p.ImportPath) < 0 {
			t.Errorf("%s is in no room of the house (design, section 3)", p.ImportPath)
		}
		check := func(imports []string, test bool) {
			for _, path := range imports {
				path, ours := strings.CutPrefix(path, module)
				if !ours || room(path) == room(p.ImportPath) {
					continue
				}
				if test && under(path, "testnet/chain") {
					continue // tests may run against the embedded chain
				}
				if path == "proto/lode/wire/v1" && floor(p.ImportPath) > 1 {
					continue // generated, a part of proto
				}
				if room(path) == "testnet" && room(p.ImportPath) != "cmd" {
					t.Errorf("%s imports %s: only cmd runs a devnet, a node never knows that it is in one", p.ImportPath, path)
				}
				if floor(path) >= floor(p.ImportPath) {
					t.Errorf("%s imports %s: against the direction proto <- market <- market/* <- node/* <- node <- cmd, "+
						"or between siblings, which only their common parent puts together", p.ImportPath, path)
				}
			}
		}
		check(p.Imports, false)
		check(p.TestImports, true)
	}
}

// homes are the heavy dependencies with the one place that may import each. A
// dependency with one home can be replaced there.
var homes = []struct {
	dependency string
	home       []string
	why        string
}{
	{"github.com/urfave/cli", []string{"cmd"}, "commands are a skin over the node's API"},
	{"github.com/ethereum/go-ethereum/ethclient", []string{"market/chain", "testnet/chain"}, "one place knows how an RPC endpoint fails"},
	{"github.com/ethereum/go-ethereum/accounts/keystore", []string{"node/keys"}, "keys stay where they are guarded"},
	{"github.com/libp2p/go-libp2p-pubsub", []string{"node/wire"}, "one place meets strangers' bytes"},
	{"github.com/libp2p/go-libp2p", []string{"node/wire", "node/data"}, "one place meets strangers' bytes; node/data takes the host's core types"},
	{"github.com/ipfs/boxo", []string{"node/data"}, "content is verified in one place"},
	{"github.com/tetratelabs/wazero", []string{"node/run"}, "guests run in shims only"},
	{"github.com/moby/moby", []string{"node/run"}, "containers are hardened in one place"},
	{"github.com/google/go-containerregistry", []string{"node/run"}, "images are resolved and counted in one place"},
	{"modernc.org/sqlite", []string{"node/store"}, "one file, one writer, one schema"},
	{"database/sql", []string{"node/store"}, "one file, one writer, one schema"},
	{"github.com/goccy/go-yaml", []string{"cmd"}, "a job file is a person's way to write a job; the node takes requests"},
	{"github.com/pelletier/go-toml", []string{"node", "cmd"}, "network files are read in one place"},
	{"connectrpc.com/connect", []string{"node/api", "node", "testnet", "cmd"}, "generated stubs: the node implements them, the CLI calls them"},
	{"github.com/NVIDIA/go-nvml", []string{"node/gpu"}, "a library that may lie is asked in one place"},
}

func TestHomes(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			for _, h := range homes {
				if !under(path, h.dependency) {
					continue
				}
				ok := false
				for _, home := range h.home {
					ok = ok || room(p.ImportPath) == home || p.ImportPath == home
				}
				if !ok {
					t.Errorf("%s imports %s, whose home is %s: %s", p.ImportPath, path, strings.Join(h.home, ", "), h.why)
				}
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package doc: a newcomer reads there what the folder owns", p.ImportPath)
		}
		docs := 0
		for _, f := range p.GoFiles {
			src, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if packageDoc.Match(src) {
				docs++
			}
		}
		if docs > 1 {
			t.Errorf("%s has %d package docs: readers see them joined", p.ImportPath, docs)
		}
	}
}

var packageDoc = regexp.MustCompile(`(?m)^// (Package|Command) [a-z0-9]+ [^\n]*(\n//[^\n]*)*\npackage `)

func TestModuleFile(t *testing.T) {
	b, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*replace\b`).Match(b) {
		t.Error("go.mod has a replace: `go install` of a version ignores it, so users would build something else than we test")
	}
}

func TestTopLevel(t *testing.T) {
	allowed := map[string]bool{
		"cmd": true, "node": true, "market": true, "contracts": true, "proto": true, "testnet": true, "docs": true,
		"go.mod": true, "go.sum": true, "Makefile": true, "README.md": true, "ARCHITECTURE.md": true, "SECURITY.md": true,
		"CHANGELOG.md": true, "LICENSE": true, ".ci": true, ".gitignore": true, ".gitattributes": true, ".git": true,
	}
	out, err := exec.Command("git", "-C", "../..", "ls-files").Output()
	if err != nil {
		if os.Getenv("LODE_TEST_NO_SKIP") != "" {
			t.Fatalf("may not be skipped here: git tells nothing: %v", err)
		}
		t.Skip("not a git checkout, so what belongs to the tree can't be told")
	}
	seen := map[string]bool{}
	for f := range strings.Lines(string(out)) {
		top, _, _ := strings.Cut(strings.TrimSpace(f), "/")
		if !allowed[top] && !seen[top] {
			t.Errorf("%s stands at the top level, where the tree tells the story", top)
		}
		seen[top] = true
	}
	for _, banned := range []string{"utils", "common", "pkg", "helpers", "types", "models"} {
		for _, p := range packages(t) {
			if filepath.Base(p.ImportPath) == banned {
				t.Errorf("%s: the name %q owns nothing and attracts everything", p.ImportPath, banned)
			}
		}
	}
}
