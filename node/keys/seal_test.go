package keys

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
)

func sealed(t testing.TB) string {
	t.Helper()
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("a key for tests")))
	if err != nil {
		t.Fatal(err)
	}
	content, err := seal(key, "right", true)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func right() (string, error) { return "right", nil }

// geth's keystore panics on some of these, or takes all memory.
func TestSpoiledKeyFiles(t *testing.T) {
	good := sealed(t)
	if _, err := unseal([]byte(good), right); err != nil {
		t.Fatalf("%v: %s", err, good)
	}
	n := fmt.Sprintf(`"n":%d`, lightN)
	for _, change := range [][2]string{
		{n, `"n":1099511627776`}, {n, `"n":"4096"`}, {n, `"n":4096.5`}, {n, `"n":-4096`}, {n, `"n":4095`}, {n, `"N":4096`},
		{n, `"N":4096,"n":1099511627776`}, {n, n + `,"n":1099511627776`},
		{`"r":8`, `"r":1048576`}, {`"p":1`, `"p":1048576`}, {`"dklen":32`, `"dklen":16`}, {`"dklen":32`, `"dklen":1e12`},
		{`"salt":"`, `"salt":7,"x":"`}, {`"iv":"`, `"iv":"00`}, {`"ciphertext":"`, `"ciphertext":"00`}, {`"mac":"`, `"mac":"zz`},
		{`"version":3`, `"version":1`}, {`"version":3`, `"version":"1"`}, {`"kdf":"scrypt"`, `"kdf":"pbkdf2"`}, {`aes-128-ctr`, `aes-128-cbc`},
		{`"id":"`, `"id":"x`}, {`{`, `[`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s is not in %s", change[0], good)
		}
		if key, err := unseal([]byte(bad), right); !errors.Is(err, ErrKeyFile) {
			t.Errorf("with %s: %v %v", change[1], key != nil, err)
		}
	}
}

func FuzzKeyFile(f *testing.F) {
	good := sealed(f)
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, `"n":4096`, `"N":4096,"n":2`, 1)))
	f.Add([]byte(`{"version":3,"crypto":{"cipher":"aes-128-ctr","kdf":"scrypt","kdfparams":{"n":2,"r":1,"p":1,"dklen":32,"salt":""}}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		// What it costs to try is bounded; a fuzzer should not pay the most.
		if n, err := checkHeader(content); err == nil && n > 1<<13 {
			return
		}
		key, err := unseal(content, right)
		if (key == nil) == (err == nil) {
			t.Fatalf("key %v with %v", key != nil, err)
		}
		if err != nil && !errors.Is(err, ErrKeyFile) && !errors.Is(err, ErrPassword) {
			t.Fatalf("an error without a name: %v", err)
		}
	})
}

func TestRealKeysTakeTheFullWork(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	content, err := seal(key, "right", false)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := checkHeader(content); err != nil || n != 1<<18 {
		t.Errorf("scrypt's n is %d, %v; required: %d", n, err, 1<<18)
	}
}

// A crash between the writes of Create leaves no half of a node: everything
// before the last step happens elsewhere.
func TestCreateThatFailsLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "keys")
	if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(Config{Dir: dir, Light: true}); err == nil {
		t.Fatal("made keys over a file")
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("left %v %v", entries, err)
	}
}
