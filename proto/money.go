package proto

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// ErrChannelKey is returned for a key that the contract would refuse.
var ErrChannelKey = errors.New("not a key that a channel can have")

// ChannelKey says who pays whom, in what, and who signs for each. The chain
// keeps only its hash.
type ChannelKey struct {
	Payer       common.Address
	PayerSigner common.Address
	Payee       common.Address
	PayeeSigner common.Address
	Token       common.Address
	CloseDelay  uint32 // seconds
	Salt        uint64
}

// ID returns keccak256(abi.encode(key)).
func (k ChannelKey) ID() ChannelID {
	var w words
	w.address(k.Payer).address(k.PayerSigner).address(k.Payee).address(k.PayeeSigner).address(k.Token)
	w.uint64(uint64(k.CloseDelay)).uint64(k.Salt)
	return ChannelID(crypto.Keccak256Hash(w))
}

// Validate checks what the contract checks when a channel opens.
func (k ChannelKey) Validate() error {
	var zero common.Address
	delay := time.Duration(k.CloseDelay) * time.Second
	switch {
	case k.Payer == zero || k.PayerSigner == zero || k.Payee == zero || k.PayeeSigner == zero || k.Token == zero:
		return fmt.Errorf("%w: an account in it is zero", ErrChannelKey)
	case k.Payer == k.Payee:
		return fmt.Errorf("%w: payer and payee are both %s", ErrChannelKey, k.Payer)
	case k.Payer == k.Token || k.Payee == k.Token || k.PayerSigner == k.Token || k.PayeeSigner == k.Token:
		return fmt.Errorf("%w: an account in it is the token", ErrChannelKey)
	case delay < MinCloseDelay || delay > MaxCloseDelay:
		return fmt.Errorf("%w: close delay %s, must be %s to %s", ErrChannelKey, delay, MinCloseDelay, MaxCloseDelay)
	}
	return nil
}

// Voucher is the payer's promise that cumulative of the channel belongs to the
// payee. Signature is by the key's PayerSigner.
type Voucher struct {
	Channel    ChannelID
	Cumulative Amount
	Signature  Signature
}

// Settlement is the payee's consent to a final total. Signature is by the key's
// PayeeSigner.
type Settlement struct {
	Channel   ChannelID
	Amount    Amount
	Deadline  time.Time // whole seconds
	Signature Signature
}

// Receipt is the provider's signed statement of how a lease ended: evidence for
// the requester's own book, not for the chain.
type Receipt struct {
	Lease     LeaseID
	Usage     time.Duration // whole milliseconds
	Due       Amount
	End       End
	ExitCode  int32
	Result    []byte // binary CID of the outputs, or empty
	Signature Signature
}

// End says how a lease ended. The numbers are signed and stored: never reused.
type End uint16

// The ways in which a lease ends.
const (
	EndExited            End = 1  // the job ended by itself; see its exit code
	EndTrapped           End = 2  // the sandbox stopped it for a fault of its own
	EndMemory            End = 3  // it wanted more memory than it was given
	EndOutput            End = 4  // it wrote more than its output limit
	EndGrace             End = 5  // it was frozen for want of credit until grace was over
	EndCancelled         End = 6  // the requester cancelled
	EndMaxDuration       End = 7  // it reached the longest duration
	EndPrepareFailed     End = 8  // it could not be prepared: image, module, inputs
	EndStartFailed       End = 9  // it was prepared but could not be started
	EndProviderRestarted End = 10 // the job did not survive a restart of the machine
	EndProviderStopped   End = 11 // the provider stopped it
	EndShimLost          End = 12 // the process that held it died
	EndLost              End = 13 // the requester heard nothing any more (its own view only)
	EndResultFailed      End = 14 // it ran, but its outputs could not be taken
)

var endNames = map[End]string{
	EndExited: "EXITED", EndTrapped: "TRAPPED", EndMemory: "MEMORY_LIMIT", EndOutput: "OUTPUT_LIMIT",
	EndGrace: "GRACE_OVER", EndCancelled: "CANCELLED", EndMaxDuration: "MAX_DURATION",
	EndPrepareFailed: "PREPARE_FAILED", EndStartFailed: "START_FAILED",
	EndProviderRestarted: "PROVIDER_RESTARTED", EndProviderStopped: "PROVIDER_STOPPED",
	EndShimLost: "SHIM_LOST", EndLost: "LOST", EndResultFailed: "RESULT_FAILED",
}

// String returns the name of e, or its number when it is not known here.
func (e End) String() string {
	if s, ok := endNames[e]; ok {
		return s
	}
	return fmt.Sprintf("END_%d", uint16(e))
}

// words are 32-byte words as abi.encode lays them out.
type words []byte

func (w *words) bytes32(b [32]byte) *words { *w = append(*w, b[:]...); return w }
func (w *words) address(a common.Address) *words {
	*w = append(append(*w, make([]byte, 12)...), a[:]...)
	return w
}
func (w *words) uint64(v uint64) *words {
	*w = binary.BigEndian.AppendUint64(append(*w, make([]byte, 24)...), v)
	return w
}
func (w *words) int64(v int64) *words {
	var b [32]byte
	new(big.Int).And(big.NewInt(v), maxWord).FillBytes(b[:]) // two's complement
	return w.bytes32(b)
}
func (w *words) amount(a Amount) *words { return w.bytes32(a.v.Bytes32()) }

var maxWord = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))
