package keys_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/lode-market/lode/node/keys"
)

func answer(password string) func(string) (string, error) {
	return func(string) (string, error) { return password, nil }
}

// light is a Config for a folder that does not exist yet.
func light(t *testing.T, password string) keys.Config {
	t.Helper()
	return keys.Config{Dir: filepath.Join(t.TempDir(), "keys"), Password: answer(password), Light: true}
}

func create(t *testing.T, cfg keys.Config, imports ...keys.Import) *keys.Keys {
	t.Helper()
	k, err := keys.Create(cfg, imports...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func account(t *testing.T, k *keys.Keys, name keys.Name) *keys.Account {
	t.Helper()
	a, err := k.Account(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestOpenGivesWhatCreateMade(t *testing.T) {
	cfg := light(t, "correct horse")
	made := create(t, cfg)
	opened, err := keys.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []keys.Name{keys.Funds, keys.Signer} {
		if a, b := account(t, made, name).Address(), account(t, opened, name).Address(); a != b {
			t.Errorf("%s was %s and is %s", name, a, b)
		}
	}
	if !made.PeerKey().Equal(opened.PeerKey()) {
		t.Error("the peer key changed")
	}
	if account(t, made, keys.Funds).Address() == account(t, made, keys.Signer).Address() {
		t.Error("account and signer are one")
	}
	if len(made.PeerKey()) != ed25519.PrivateKeySize {
		t.Errorf("peer key has %d bytes", len(made.PeerKey()))
	}
	if _, err := made.Account("else"); !errors.Is(err, keys.ErrName) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestKeysAreReadByOtherWallets(t *testing.T) {
	cfg := light(t, "correct horse")
	k := create(t, cfg)
	content, err := os.ReadFile(filepath.Join(cfg.Dir, "account.json"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keystore.DecryptKey(content, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if got := account(t, k, keys.Funds).Address(); key.Address != got {
		t.Errorf("another wallet reads %s, we made %s", key.Address, got)
	}
}

func TestWrongPassword(t *testing.T) {
	cfg := light(t, "right")
	create(t, cfg)
	cfg.Password = answer("wrong")
	if _, err := keys.Open(cfg); !errors.Is(err, keys.ErrPassword) {
		t.Errorf("open: %v", err)
	}
	if _, err := keys.Export(cfg, keys.Funds); !errors.Is(err, keys.ErrPassword) {
		t.Errorf("export: %v", err)
	}
	cfg.Password = nil
	if _, err := keys.Open(cfg); !errors.Is(err, keys.ErrNoPassword) {
		t.Errorf("open without a password: %v", err)
	}
}

func TestPasswordIsAskedOnceAndOnlyIfNeeded(t *testing.T) {
	asked := 0
	count := func(password string) func(string) (string, error) {
		return func(string) (string, error) { asked++; return password, nil }
	}
	cfg := light(t, "right")
	create(t, cfg)
	cfg.Password = count("right")
	if _, err := keys.Open(cfg); err != nil || asked != 1 {
		t.Errorf("asked %d times, %v; required: once", asked, err)
	}

	open := light(t, "")
	open.Password = nil
	create(t, open)
	asked, open.Password = 0, count("whatever")
	if _, err := keys.Open(open); err != nil || asked != 0 {
		t.Errorf("keys without a password: asked %d times, %v", asked, err)
	}
}

func TestCreateWantsAPasswordForRealKeys(t *testing.T) {
	cfg := light(t, "")
	cfg.Light = false
	for _, source := range []func(string) (string, error){nil, answer("")} {
		cfg.Password = source
		if _, err := keys.Create(cfg); !errors.Is(err, keys.ErrNoPassword) {
			t.Errorf("%v", err)
		}
	}
	answers := []string{"one", "two"}
	cfg.Password = func(string) (string, error) {
		a := answers[0]
		answers = answers[1:]
		return a, nil
	}
	if _, err := keys.Create(cfg); !errors.Is(err, keys.ErrPassword) {
		t.Errorf("two different passwords: %v", err)
	}
	if _, err := os.Stat(cfg.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused Create left %s: %v", cfg.Dir, err)
	}
}

func TestCreateOverwritesNothing(t *testing.T) {
	cfg := light(t, "right")
	first := create(t, cfg)
	if _, err := keys.Create(cfg); !errors.Is(err, keys.ErrExists) {
		t.Fatalf("second Create: %v", err)
	}
	again, err := keys.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if account(t, first, keys.Funds).Address() != account(t, again, keys.Funds).Address() {
		t.Error("the account was overwritten")
	}
	entries, err := os.ReadDir(filepath.Dir(cfg.Dir))
	if err != nil || len(entries) != 1 {
		t.Errorf("something was left beside the keys: %v %v", entries, err)
	}
}

func TestCreateTakesAnEmptyFolder(t *testing.T) {
	cfg := light(t, "right")
	if err := os.Mkdir(cfg.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	create(t, cfg)
	if _, err := keys.Open(cfg); err != nil {
		t.Error(err)
	}
}

func TestMissing(t *testing.T) {
	cfg := light(t, "right")
	if _, err := keys.Open(cfg); !errors.Is(err, keys.ErrNoKeys) {
		t.Errorf("no folder: %v", err)
	}
	create(t, cfg)
	for _, name := range []string{"account.json", "signer.json", "peer.key"} {
		path := filepath.Join(cfg.Dir, name)
		if err := os.Rename(path, path+"-"); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.Open(cfg); !errors.Is(err, keys.ErrNoKeys) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := os.Rename(path+"-", path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestExposedKeysAreRefused(t *testing.T) {
	cfg := light(t, "right")
	create(t, cfg)
	for _, path := range []string{cfg.Dir, filepath.Join(cfg.Dir, "account.json"), filepath.Join(cfg.Dir, "signer.json"), filepath.Join(cfg.Dir, "peer.key")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s was made with mode %v", path, info.Mode())
		}
		for _, more := range []os.FileMode{0o040, 0o004, 0o010, 0o002} {
			if err := os.Chmod(path, info.Mode().Perm()|more); err != nil {
				t.Fatal(err)
			}
			_, err := keys.Open(cfg)
			if !errors.Is(err, keys.ErrExposed) || !strings.Contains(err.Error(), "chmod") {
				t.Errorf("%s with %04o more: %v", path, more, err)
			}
		}
		if err := os.Chmod(path, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := keys.Open(cfg); err != nil {
		t.Errorf("mended: %v", err)
	}
}

func TestImportAndExport(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.hex")
	if err := os.WriteFile(file, []byte("0x"+hex.EncodeToString(crypto.FromECDSA(key))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secret, err := keys.ReadHex(file)
	if err != nil {
		t.Fatal(err)
	}
	cfg := light(t, "right")
	k := create(t, cfg, keys.Import{Name: keys.Funds, Key: secret})
	if got, want := account(t, k, keys.Funds).Address(), crypto.PubkeyToAddress(key.PublicKey); got != want {
		t.Errorf("imported %s, have %s", want, got)
	}
	out, err := keys.Export(cfg, keys.Funds)
	if err != nil {
		t.Fatal(err)
	}
	if string(out.Reveal()) != string(crypto.FromECDSA(key)) {
		t.Error("another key came out than went in")
	}
	if _, err := keys.Export(cfg, "else"); !errors.Is(err, keys.ErrName) {
		t.Errorf("export of an unknown name: %v", err)
	}
}

func TestImportRefusals(t *testing.T) {
	good, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	secret := keys.NewSecret(crypto.FromECDSA(good))
	for name, imports := range map[string][]keys.Import{
		"one key for both": {{Name: keys.Funds, Key: secret}, {Name: keys.Signer, Key: secret}},
		"empty":            {{Name: keys.Funds}},
		"zero":             {{Name: keys.Funds, Key: keys.NewSecret(make([]byte, 32))}},
		"short":            {{Name: keys.Signer, Key: keys.NewSecret([]byte{1})}},
	} {
		cfg := light(t, "right")
		if _, err := keys.Create(cfg, imports...); !errors.Is(err, keys.ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(cfg.Dir)); err != nil || len(entries) != 0 {
			t.Errorf("%s left %v %v", name, entries, err)
		}
	}
	if _, err := keys.Create(light(t, "right"), keys.Import{Name: "else", Key: secret}); !errors.Is(err, keys.ErrName) {
		t.Errorf("unknown name: %v", err)
	}
	for name, content := range map[string]string{
		"short": "abcd", "letters": strings.Repeat("zz", 32), "zero": strings.Repeat("00", 32), "empty": "", "long": strings.Repeat("ab", 20000),
	} {
		file := filepath.Join(t.TempDir(), "key.hex")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.ReadHex(file); !errors.Is(err, keys.ErrKeyFile) || (content != "" && strings.Contains(err.Error(), content)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "key.hex")
	if err := os.WriteFile(file, []byte(hex.EncodeToString(crypto.FromECDSA(good))), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.ReadHex(file); !errors.Is(err, keys.ErrExposed) {
		t.Errorf("readable by all: %v", err)
	}
}

func TestPasswordSources(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	for content, want := range map[string]string{"a b\n": "a b", "a b": "a b", "x\r\nsecond line\n": "x", "": "", " kept ": " kept "} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := keys.Password(file)("?"); err != nil || got != want {
			t.Errorf("%q gave %q, %v", content, got, err)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := keys.Password(file)("?"); err == nil {
		t.Errorf("a file that is no password gave %d bytes", len(got))
	}
	if _, err := keys.Password(file + "-")("?"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	t.Setenv(keys.PasswordVariable, "from the environment")
	if got, err := keys.Password("")("?"); err != nil || got != "from the environment" {
		t.Errorf("environment gave %q, %v", got, err)
	}
}

func TestNobodyToAsk(t *testing.T) {
	if _, set := os.LookupEnv(keys.PasswordVariable); set {
		t.Setenv(keys.PasswordVariable, "") // restored at the end
		if err := os.Unsetenv(keys.PasswordVariable); err != nil {
			t.Fatal(err)
		}
	}
	stdin := os.Stdin
	t.Cleanup(func() { os.Stdin = stdin })
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	os.Stdin = null
	if _, err := keys.Password("")("?"); !errors.Is(err, keys.ErrNoPassword) {
		t.Errorf("%v", err)
	}
}
