package proto

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrSignature is returned for a signature that is malformed, malleable or by
// another account than the one wanted.
var ErrSignature = errors.New("bad signature")

// Signature is r, s, v of secp256k1, v being 27 or 28 and s in the lower half.
type Signature [65]byte

// IsZero reports whether nothing was signed.
func (s Signature) IsZero() bool { return s == Signature{} }

// String returns the signature in hexadecimal behind 0x.
func (s Signature) String() string { return "0x" + hex.EncodeToString(s[:]) }

// MarshalText writes hexadecimal; nothing for no signature.
func (s Signature) MarshalText() ([]byte, error) {
	if s.IsZero() {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *Signature) UnmarshalText(t []byte) error {
	if len(t) == 0 {
		*s = Signature{}
		return nil
	}
	b, err := hex.DecodeString(strings.TrimPrefix(string(t), "0x"))
	if err != nil || len(b) != len(s) {
		return fmt.Errorf("%w: not 65 bytes of hexadecimal", ErrSignature)
	}
	*s = Signature(b)
	return nil
}

// Domain is the EIP-712 domain that all signatures of a network share: a
// signature for one chain or contract means nothing on another.
type Domain struct {
	ChainID  uint64
	Channels common.Address
}

// The name and version in the domain of the Channels contract.
const (
	DomainName    = "Lode Channels"
	DomainVersion = "1"
)

// The EIP-712 type strings. Voucher and Settlement are the contract's own, the
// others are checked by nodes only.
const (
	domainType     = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
	VoucherType    = "Voucher(bytes32 channel,uint96 cumulative)"
	SettlementType = "Settlement(bytes32 channel,uint96 amount,uint40 deadline)"
	IdentityType   = "Identity(bytes32 peer,address payee,uint64 expires)"
	TermsType      = "Terms(bytes32 providerPeer,bytes32 requesterPeer,bytes32 channel,bytes32 job,bytes32 driver," +
		"uint32 cpuMillis,uint64 memory,uint64 disk,uint32 gpus,uint64 vram,bytes32 gpuModel,uint8 network," +
		"uint96 price,uint64 slice,uint96 startFee,uint64 grace,uint64 maxDuration,uint64 retention," +
		"uint64 issued,uint64 expires,bytes32 nonce)"
	ReceiptType = "Receipt(bytes32 lease,uint64 usage,uint96 due,uint16 end,int32 exitCode,bytes32 result)"
)

var (
	domainTypeHash     = typeHash(domainType)
	nameHash           = typeHash(DomainName)
	versionHash        = typeHash(DomainVersion)
	voucherTypeHash    = typeHash(VoucherType)
	settlementTypeHash = typeHash(SettlementType)
	identityTypeHash   = typeHash(IdentityType)
	termsTypeHash      = typeHash(TermsType)
	receiptTypeHash    = typeHash(ReceiptType)
)

func typeHash(s string) Hash { return Hash(crypto.Keccak256Hash([]byte(s))) }

// Separator returns the domain separator.
func (d Domain) Separator() Hash {
	var w words
	w.bytes32(domainTypeHash).bytes32(nameHash).bytes32(versionHash).uint64(d.ChainID).address(d.Channels)
	return Hash(crypto.Keccak256Hash(w))
}

// Typed is a value with an EIP-712 struct hash.
type Typed interface{ StructHash() Hash }

// Digest returns what is signed: keccak256(0x1901 || separator || struct hash).
func (d Domain) Digest(v Typed) Hash {
	sep, sh := d.Separator(), v.StructHash()
	return Hash(crypto.Keccak256Hash([]byte{0x19, 0x01}, sep[:], sh[:]))
}

// Recover returns the account that signed v.
func (d Domain) Recover(v Typed, sig Signature) (common.Address, error) {
	if sig[64] != 27 && sig[64] != 28 {
		return common.Address{}, fmt.Errorf("%w: v is %d, must be 27 or 28", ErrSignature, sig[64])
	}
	// A signature with s in the upper half is the same one written differently;
	// the contract refuses it, so it is worth nothing here.
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:64])
	if !crypto.ValidateSignatureValues(sig[64]-27, r, s, true) {
		return common.Address{}, fmt.Errorf("%w: r or s out of range", ErrSignature)
	}
	digest := d.Digest(v)
	rsv := sig
	rsv[64] -= 27
	pub, err := crypto.SigToPub(digest[:], rsv[:])
	if err != nil {
		return common.Address{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return crypto.PubkeyToAddress(*pub), nil
}

// Verify checks that signer signed v.
func (d Domain) Verify(v Typed, sig Signature, signer common.Address) error {
	got, err := d.Recover(v, sig)
	if err != nil {
		return err
	}
	if got != signer {
		return fmt.Errorf("%w: by %s, must be by %s", ErrSignature, got, signer)
	}
	return nil
}

// StructHash returns the hash of a Voucher.
func (v Voucher) StructHash() Hash {
	var w words
	w.bytes32(voucherTypeHash).bytes32(v.Channel).amount(v.Cumulative)
	return Hash(crypto.Keccak256Hash(w))
}

// StructHash returns the hash of a Settlement.
func (s Settlement) StructHash() Hash {
	var w words
	w.bytes32(settlementTypeHash).bytes32(s.Channel).amount(s.Amount).uint64(uint64(s.Deadline.Unix()))
	return Hash(crypto.Keccak256Hash(w))
}

// StructHash returns the hash of an Identity.
func (i Identity) StructHash() Hash {
	var w words
	w.bytes32(identityTypeHash).bytes32(i.Peer).address(i.Payee).uint64(millis(i.Expires))
	return Hash(crypto.Keccak256Hash(w))
}

// StructHash returns the hash of Terms. Texts are hashed first; the channel's id
// stands for its key.
func (t Terms) StructHash() Hash {
	var w words
	w.bytes32(termsTypeHash).bytes32(t.ProviderPeer).bytes32(t.RequesterPeer)
	w.bytes32(t.Channel.ID()).bytes32(t.Job).bytes32(typeHash(string(t.Driver)))
	r := t.Resources
	w.uint64(uint64(r.CPUMillis)).uint64(r.Memory).uint64(r.Disk)
	w.uint64(uint64(r.GPUs)).uint64(r.VRAM).bytes32(typeHash(r.GPUModel))
	w.uint64(uint64(t.Network)).amount(t.Price.Amount()).uint64(span(t.Slice)).amount(t.StartFee)
	w.uint64(span(t.Grace)).uint64(span(t.MaxDuration)).uint64(span(t.Retention))
	w.uint64(millis(t.Issued)).uint64(millis(t.Expires)).bytes32(t.Nonce)
	return Hash(crypto.Keccak256Hash(w))
}

// StructHash returns the hash of a Receipt. The result's CID is hashed first;
// none is zero.
func (r Receipt) StructHash() Hash {
	var result Hash
	if len(r.Result) > 0 {
		result = Hash(crypto.Keccak256Hash(r.Result))
	}
	var w words
	w.bytes32(receiptTypeHash).bytes32(r.Lease).uint64(span(r.Usage)).amount(r.Due)
	w.uint64(uint64(r.End)).int64(int64(r.ExitCode)).bytes32(result)
	return Hash(crypto.Keccak256Hash(w))
}

func millis(t time.Time) uint64   { return uint64(max(t.UnixMilli(), 0)) }
func span(d time.Duration) uint64 { return uint64(max(d.Milliseconds(), 0)) }
