package proto

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// Codes and ends are stored, signed and sent: a number keeps its meaning for ever.
// A new one goes to the end of its list.
var (
	codesForEver = []string{
		"MALFORMED", "EXPIRED", "BAD_SIGNATURE", "REPLAYED", "BUSY", "UNSUPPORTED", "TOO_LITTLE", "PRICE_TOO_LOW", "TOO_LONG",
		"WRONG_TOKEN", "WRONG_CHANNEL", "UNDERFUNDED", "UNCONFIRMED", "CHANNEL_CLOSING", "CLOSE_DELAY", "VOUCHER_TOO_LOW",
		"UNKNOWN_LEASE", "JOB_MISMATCH", "BAD_JOB", "RATE_LIMITED", "SHUTTING_DOWN", "INTERNAL", "SIMULATED", "TERMS_NOT_MINE",
		"NOT_SETTLED", "INPUTS", "DUST",
	}
	endsForEver = []string{
		"EXITED", "TRAPPED", "MEMORY_LIMIT", "OUTPUT_LIMIT", "GRACE_OVER", "CANCELLED", "MAX_DURATION", "PREPARE_FAILED",
		"START_FAILED", "PROVIDER_RESTARTED", "PROVIDER_STOPPED", "SHIM_LOST", "LOST", "RESULT_FAILED",
	}
)

func TestNumbersStay(t *testing.T) {
	check := func(file, kind string, forEver []string, name func(uint64) string) {
		declared := constants(t, file, kind)
		if len(declared) != len(forEver) {
			t.Errorf("%s: %d constants, %d in the list", kind, len(declared), len(forEver))
		}
		seen := make(map[uint64]string)
		for id, n := range declared {
			if other, ok := seen[n]; ok {
				t.Errorf("%s and %s are both %d", id, other, n)
			}
			seen[n] = id
			if n == 0 || n > uint64(len(forEver)) || name(n) != forEver[n-1] {
				t.Errorf("%s is %d, %q", id, n, name(n))
			}
		}
	}
	check("refusal.go", "Code", codesForEver, func(n uint64) string { return Code(n).String() })
	check("money.go", "End", endsForEver, func(n uint64) string { return End(n).String() })
	if len(codeNames) != len(codesForEver) || len(endNames) != len(endsForEver) {
		t.Errorf("%d codes and %d ends have names", len(codeNames), len(endNames))
	}
}

// constants reads from the source what no value can tell: every constant of a
// type, with the number that is written there.
func constants(t *testing.T, file, kind string) map[string]uint64 {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]uint64)
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != kind {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is not written as a number", spec.Names[0])
		}
		v, err := strconv.ParseUint(lit.Value, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		found[spec.Names[0].Name] = v
		return true
	})
	return found
}
