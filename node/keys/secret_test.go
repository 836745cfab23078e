package keys_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/davecgh/go-spew/spew"

	"github.com/lode-market/lode/node/keys"
)

// Everything that prints is tried on everything that holds a key, by itself and
// inside of a value whose fields no printer may call methods of.
func TestNothingShowsAKey(t *testing.T) {
	cfg := light(t, "correct horse")
	k := create(t, cfg)
	var forbidden []string
	for _, name := range []keys.Name{keys.Funds, keys.Signer} {
		s, err := keys.Export(cfg, name)
		if err != nil {
			t.Fatal(err)
		}
		forbidden = append(forbidden, spellings(s.Reveal())...)
	}
	forbidden = append(forbidden, spellings(k.PeerKey().Seed())...)
	funds := account(t, k, keys.Funds)
	secret, err := keys.Export(cfg, keys.Funds)
	if err != nil {
		t.Fatal(err)
	}

	type hidden struct {
		keys    *keys.Keys
		account *keys.Account
		value   keys.Account
		secret  keys.Secret
		imports []keys.Import
	}
	imports := []keys.Import{{Name: keys.Funds, Key: secret}}
	for _, v := range []any{
		k, *k, funds, *funds, secret, &secret, imports, map[string]any{"k": k, "s": secret, "a": funds},
		hidden{k, funds, *funds, secret, imports}, &hidden{k, funds, *funds, secret, imports}, cfg,
	} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%c", "%o", "%U"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		spew.Fdump(&out, v)
		spew.Fprintf(&out, "%#+v", v)
		// A value that does not encode is fine, one that shows is not.
		if b, err := json.Marshal(v); err == nil {
			out.Write(b)
		}
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); err == nil {
			out.Write(b.Bytes())
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("value", "v", v)
		}
		for _, f := range forbidden {
			if strings.Contains(out.String(), f) {
				t.Errorf("%s shows a key as %q", reflect.TypeOf(v), f[:8]+"…")
			}
		}
	}
}

// spellings are the ways in which printers write bytes.
func spellings(b []byte) []string {
	list := strings.Trim(fmt.Sprint(b), "[]")
	return []string{
		string(b), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), base64.StdEncoding.EncodeToString(b),
		list, strings.ReplaceAll(list, " ", ", "), new(big.Int).SetBytes(b).String(), spewed(b),
	}
}

// spewed is the first line of spew's hex dump.
func spewed(b []byte) string {
	return strings.TrimRight(hex.Dump(b)[10:34], " ")
}

func TestSecretKeepsACopy(t *testing.T) {
	b := []byte{1, 2, 3}
	s := keys.NewSecret(b)
	b[0] = 9
	s.Reveal()[1] = 9
	if got := s.Reveal(); !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("the secret became %v", got)
	}
	if (keys.Secret{}).Reveal() != nil {
		t.Error("the zero Secret holds something")
	}
	for _, v := range []any{s, &s} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); got != "[secret]" {
				t.Errorf("%s of %T gave %s", verb, v, got)
			}
		}
	}
	if j, err := json.Marshal(map[string]any{"s": s}); err != nil || string(j) != `{"s":"[secret]"}` {
		t.Errorf("JSON is %s, %v", j, err)
	}
}
