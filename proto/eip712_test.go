package proto

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/common/math"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite this package's part of the golden files in testdata")

const vectorsFile = "testdata/eip712.json"

// vectors is the file that forge checks too. The contract's own lists come from
// there; identities, receipts and terms are this package's.
type vectors struct {
	Domain struct {
		Name              string         `json:"name"`
		Version           string         `json:"version"`
		ChainID           string         `json:"chainId"`
		VerifyingContract common.Address `json:"verifyingContract"`
		Separator         common.Hash    `json:"separator"`
	} `json:"domain"`
	Identities []message `json:"identities"`
	Keys       []struct {
		Payer, PayerSigner, Payee, PayeeSigner, Token common.Address
		CloseDelay, Salt                              string
		ID                                            common.Hash
	} `json:"keys"`
	Receipts    []message `json:"receipts"`
	Settlements []struct {
		Channel          common.Hash
		Amount, Deadline string
		signed
	} `json:"settlements"`
	Terms    []message `json:"terms"`
	Vouchers []struct {
		Channel    common.Hash
		Cumulative string
		signed
	} `json:"vouchers"`
}

type signed struct {
	PrivateKey, Signature hexutil.Bytes
	Signer                common.Address
	StructHash, Digest    common.Hash
}

// message is a value that only nodes check, as any EIP-712 library would hash it.
type message struct {
	TypeString string      `json:"typeString"`
	TypeHash   common.Hash `json:"typeHash"`
	Message    fields      `json:"message"`
	StructHash common.Hash `json:"structHash"`
	Digest     common.Hash `json:"digest"`
}

type fields map[string]any

func readVectors(t *testing.T) (v vectors, d Domain) {
	t.Helper()
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	d = Domain{ChainID: number(t, v.Domain.ChainID), Channels: v.Domain.VerifyingContract}
	return v, d
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func amount(t *testing.T, s string) Amount {
	t.Helper()
	a, err := ParseAmount(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sign(t *testing.T, d Domain, v Typed, key *ecdsa.PrivateKey) Signature {
	t.Helper()
	digest := d.Digest(v)
	sig, err := crypto.Sign(digest[:], key)
	if err != nil {
		t.Fatal(err)
	}
	sig[64] += 27
	return Signature(sig)
}

func (s signed) check(t *testing.T, d Domain, v Typed) {
	t.Helper()
	if got := v.StructHash(); got != Hash(s.StructHash) {
		t.Errorf("struct hash %s, want %s", got, s.StructHash)
	}
	if got := d.Digest(v); got != Hash(s.Digest) {
		t.Errorf("digest %s, want %s", got, s.Digest)
	}
	key, err := crypto.ToECDSA(s.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	if got := sign(t, d, v, key); !bytes.Equal(got[:], s.Signature) {
		t.Errorf("signature %s, want %s", got, s.Signature)
	}
	if err := d.Verify(v, Signature(s.Signature), s.Signer); err != nil {
		t.Error(err)
	}
}

func TestVectors(t *testing.T) {
	v, d := readVectors(t)
	if v.Domain.Name != DomainName || v.Domain.Version != DomainVersion || d.Separator() != Hash(v.Domain.Separator) {
		t.Errorf("domain %q %q %s, want %+v", DomainName, DomainVersion, d.Separator(), v.Domain)
	}
	if len(v.Keys) == 0 || len(v.Vouchers) == 0 || len(v.Settlements) == 0 {
		t.Fatalf("%d keys, %d vouchers, %d settlements", len(v.Keys), len(v.Vouchers), len(v.Settlements))
	}
	for _, k := range v.Keys {
		key := ChannelKey{
			Payer: k.Payer, PayerSigner: k.PayerSigner, Payee: k.Payee, PayeeSigner: k.PayeeSigner, Token: k.Token,
			CloseDelay: uint32(number(t, k.CloseDelay)), Salt: number(t, k.Salt),
		}
		if key.ID() != ChannelID(k.ID) {
			t.Errorf("id %s, want %s", key.ID(), k.ID)
		}
		if err := key.Validate(); err != nil {
			t.Error(err)
		}
	}
	for _, e := range v.Vouchers {
		e.check(t, d, Voucher{Channel: ChannelID(e.Channel), Cumulative: amount(t, e.Cumulative)})
	}
	for _, e := range v.Settlements {
		e.check(t, d, Settlement{Channel: ChannelID(e.Channel), Amount: amount(t, e.Amount), Deadline: time.Unix(int64(number(t, e.Deadline)), 0)})
	}
}

// samples are the fixed values of the messages that the contract does not know.
func samples(t *testing.T) (ids []Identity, receipts []Receipt, terms []Terms) {
	fill := func(b byte) (h Hash) {
		for i := range h {
			h[i] = b
		}
		return h
	}
	account := func(b byte) (a common.Address) { h := fill(b); return common.Address(h[:20]) }
	at := time.UnixMilli(1_800_000_000_123)
	ids = []Identity{
		{Peer: PeerKey(fill(1)), Payee: account(2), PayeeSigner: account(3), Expires: at},
		{Peer: PeerKey(fill(0xff)), Payee: account(0xff), PayeeSigner: account(3), Expires: time.UnixMilli(0)},
	}
	receipts = []Receipt{
		{Lease: LeaseID(fill(4)), Usage: 83_456 * time.Millisecond, Due: amount(t, "1234567"), End: EndExited, ExitCode: 3, Result: JobCID([]byte("result")).Bytes()},
		{Lease: LeaseID(fill(5)), Usage: MaxSpan, Due: MaxAmount, End: EndGrace, ExitCode: -1},
	}
	small := Terms{
		ProviderPeer: PeerKey(fill(6)), RequesterPeer: PeerKey(fill(7)),
		Channel: ChannelKey{Payer: account(8), PayerSigner: account(9), Payee: account(10), PayeeSigner: account(11), Token: account(12),
			CloseDelay: 86_400, Salt: 1<<64 - 1},
		Job: fill(13), Driver: DriverWasm, Resources: Resources{CPUMillis: 1500, Memory: 1 << 30, Disk: 1 << 31},
		Price: PerHour(amount(t, "600000")), Slice: 10 * time.Second, Grace: 30 * time.Second, MaxDuration: 6 * time.Hour,
		Retention: 24 * time.Hour, Issued: at, Expires: at.Add(QuoteLife), Nonce: fill(14),
	}
	large := small
	large.Driver, large.Network = DriverDocker, NetworkInternet
	large.Resources = Resources{CPUMillis: 1<<32 - 1, Memory: 1<<64 - 1, Disk: 1<<64 - 1, GPUs: 8, VRAM: 80 << 30, GPUModel: "NVIDIA H200"}
	large.Price, large.StartFee = PerHour(MaxAmount), amount(t, "42")
	return ids, receipts, []Terms{small, large}
}

func TestOffChainVectors(t *testing.T) {
	v, d := readVectors(t)
	ids, receipts, terms := samples(t)
	var want vectors
	for _, x := range ids {
		want.Identities = append(want.Identities, describe(d, IdentityType, x, identityFields(x)))
	}
	for _, x := range receipts {
		want.Receipts = append(want.Receipts, describe(d, ReceiptType, x, receiptFields(x)))
	}
	for _, x := range terms {
		want.Terms = append(want.Terms, describe(d, TermsType, x, termsFields(x)))
	}
	if *update {
		writeVectors(t, want)
		return
	}
	for name, lists := range map[string][2][]message{
		"identities": {v.Identities, want.Identities}, "receipts": {v.Receipts, want.Receipts}, "terms": {v.Terms, want.Terms},
	} {
		was, err := json.Marshal(lists[0])
		if err != nil {
			t.Fatal(err)
		}
		is, err := json.Marshal(lists[1])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(was, is) {
			t.Errorf("%s hash otherwise than the golden file says: every signature made before would be void\nwas %s\nis  %s", name, was, is)
		}
	}
}

// writeVectors replaces this package's lists and leaves the contract's as they are.
func writeVectors(t *testing.T, v vectors) {
	text, err := os.ReadFile(vectorsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Domain      json.RawMessage `json:"domain"`
		Identities  []message       `json:"identities"`
		Keys        json.RawMessage `json:"keys"`
		Receipts    []message       `json:"receipts"`
		Settlements json.RawMessage `json:"settlements"`
		Terms       []message       `json:"terms"`
		Vouchers    json.RawMessage `json:"vouchers"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	file.Identities, file.Receipts, file.Terms = v.Identities, v.Receipts, v.Terms
	out, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(vectorsFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func describe(d Domain, typeString string, v Typed, f fields) message {
	return message{typeString, common.Hash(typeHash(typeString)), f, common.Hash(v.StructHash()), common.Hash(d.Digest(v))}
}

func hex32(b [32]byte) string { return hexutil.Encode(b[:]) }
func dec[T uint8 | uint16 | uint32 | uint64 | int32 | int64](n T) string {
	return fmt.Sprint(n)
}

func voucherFields(v Voucher) fields {
	return fields{"channel": hex32(v.Channel), "cumulative": v.Cumulative.String()}
}

func settlementFields(s Settlement) fields {
	return fields{"channel": hex32(s.Channel), "amount": s.Amount.String(), "deadline": dec(s.Deadline.Unix())}
}

func identityFields(i Identity) fields {
	return fields{"peer": hex32(i.Peer), "payee": i.Payee.Hex(), "expires": dec(i.Expires.UnixMilli())}
}

func receiptFields(r Receipt) fields {
	var result [32]byte
	if len(r.Result) > 0 {
		result = crypto.Keccak256Hash(r.Result)
	}
	return fields{"lease": hex32(r.Lease), "usage": dec(r.Usage.Milliseconds()), "due": r.Due.String(), "end": dec(uint16(r.End)),
		"exitCode": dec(r.ExitCode), "result": hex32(result)}
}

func termsFields(t Terms) fields {
	text := func(s string) string { return crypto.Keccak256Hash([]byte(s)).Hex() }
	r := t.Resources
	return fields{
		"providerPeer": hex32(t.ProviderPeer), "requesterPeer": hex32(t.RequesterPeer), "channel": hex32(t.Channel.ID()), "job": hex32(t.Job),
		"driver": text(string(t.Driver)), "cpuMillis": dec(r.CPUMillis), "memory": dec(r.Memory), "disk": dec(r.Disk), "gpus": dec(r.GPUs),
		"vram": dec(r.VRAM), "gpuModel": text(r.GPUModel), "network": dec(uint8(t.Network)), "price": t.Price.String(),
		"slice": dec(t.Slice.Milliseconds()), "startFee": t.StartFee.String(), "grace": dec(t.Grace.Milliseconds()),
		"maxDuration": dec(t.MaxDuration.Milliseconds()), "retention": dec(t.Retention.Milliseconds()),
		"issued": dec(t.Issued.UnixMilli()), "expires": dec(t.Expires.UnixMilli()), "nonce": hex32(t.Nonce),
	}
}

// typed makes of a type string and its values what go-ethereum's own, independent
// implementation of EIP-712 takes.
func typed(d Domain, typeString string, f fields) apitypes.TypedData {
	parse := func(s string) (name string, types []apitypes.Type) {
		name, rest, _ := strings.Cut(strings.TrimSuffix(s, ")"), "(")
		for _, field := range strings.Split(rest, ",") {
			kind, field, _ := strings.Cut(field, " ")
			types = append(types, apitypes.Type{Name: field, Type: kind})
		}
		return name, types
	}
	name, own := parse(typeString)
	_, domain := parse(domainType)
	return apitypes.TypedData{
		Types: apitypes.Types{"EIP712Domain": domain, name: own}, PrimaryType: name,
		Domain: apitypes.TypedDataDomain{Name: DomainName, Version: DomainVersion,
			ChainId: (*math.HexOrDecimal256)(new(big.Int).SetUint64(d.ChainID)), VerifyingContract: d.Channels.Hex()},
		Message: apitypes.TypedDataMessage(f),
	}
}

func TestDigestsAgainstGoEthereum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := drawDomain(t)
		voucher, settlement, identity := drawVoucher(t), drawSettlement(t), drawIdentity(t)
		receipt, terms := drawReceipt(t), drawTerms(t).Terms
		for _, c := range []struct {
			typeString string
			value      Typed
			fields     fields
		}{
			{VoucherType, voucher, voucherFields(voucher)},
			{SettlementType, settlement, settlementFields(settlement)},
			{IdentityType, identity, identityFields(identity)},
			{ReceiptType, receipt, receiptFields(receipt)},
			{TermsType, terms, termsFields(terms)},
		} {
			want, _, err := apitypes.TypedDataAndHash(typed(d, c.typeString, c.fields))
			if err != nil {
				t.Fatal(err)
			}
			if got := d.Digest(c.value); !bytes.Equal(got[:], want) {
				t.Fatalf("%T: digest %s, want %x", c.value, got, want)
			}
		}
	})
}

func TestRecoverRefuses(t *testing.T) {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	signer := crypto.PubkeyToAddress(key.PublicKey)
	d := Domain{ChainID: 1, Channels: common.Address{1}}
	v := Voucher{Channel: ChannelID{2}, Cumulative: NewAmount(3)}
	good := sign(t, d, v, key)
	if err := d.Verify(v, good, signer); err != nil {
		t.Fatal(err)
	}
	change := func(f func(*Signature)) Signature { s := good; f(&s); return s }
	order := crypto.S256().Params().N
	for name, sig := range map[string]Signature{
		"zero":           {},
		"zero but for v": change(func(s *Signature) { *s = Signature{64: 27} }),
		"v of 0":         change(func(s *Signature) { s[64] -= 27 }),
		"v of 29":        change(func(s *Signature) { s[64] = 29 }),
		"the other v":    change(func(s *Signature) { s[64] = 27 + 28 - s[64] }),
		"high s": change(func(s *Signature) { // the same signature, written in the other half
			new(big.Int).Sub(order, new(big.Int).SetBytes(s[32:64])).FillBytes(s[32:64])
			s[64] = 27 + 28 - s[64]
		}),
		"zero r":      change(func(s *Signature) { clear(s[:32]) }),
		"zero s":      change(func(s *Signature) { clear(s[32:64]) }),
		"r too large": change(func(s *Signature) { order.FillBytes(s[:32]) }),
	} {
		if err := d.Verify(v, sig, signer); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := v
	other.Cumulative = NewAmount(4)
	for name, c := range map[string]struct {
		d      Domain
		v      Typed
		signer common.Address
	}{
		"another chain":    {Domain{ChainID: 2, Channels: d.Channels}, v, signer},
		"another contract": {Domain{ChainID: 1, Channels: common.Address{2}}, v, signer},
		"another amount":   {d, other, signer},
		"another type":     {d, Settlement{Channel: v.Channel, Amount: v.Cumulative, Deadline: time.Unix(0, 0)}, signer},
		"another signer":   {d, v, common.Address{9}},
		"no signer":        {d, v, common.Address{}},
	} {
		if err := c.d.Verify(c.v, good, c.signer); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
