package proto

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// Code is the machine-readable reason of a refusal. The numbers travel and are
// stored: they are never reused.
type Code uint32

// The reasons to refuse.
const (
	CodeMalformed       Code = 1  // a message that breaks the protocol
	CodeExpired         Code = 2  // terms, offer or deadline in the past
	CodeBadSignature    Code = 3  // a signature by somebody else
	CodeReplayed        Code = 4  // a nonce or sequence seen before
	CodeBusy            Code = 5  // no capacity now
	CodeUnsupported     Code = 6  // a driver, network mode or field that is not served
	CodeTooLittle       Code = 7  // resources asked for exceed what is sold
	CodePriceTooLow     Code = 8  // the requester's max_price is under the price
	CodeTooLong         Code = 9  // a duration above the longest
	CodeWrongToken      Code = 10 // another token, chain or contract
	CodeWrongChannel    Code = 11 // a key or voucher of another channel
	CodeUnderfunded     Code = 12 // the channel's deposit does not cover it
	CodeUnconfirmed     Code = 13 // the deposit is not final enough yet
	CodeChannelClosing  Code = 14 // closing or closed, or consented to settle
	CodeCloseDelay      Code = 15 // a close delay under the least accepted
	CodeVoucherTooLow   Code = 16 // a lower or too small cumulative amount
	CodeUnknownLease    Code = 17 // no such lease, or another requester's
	CodeJobMismatch     Code = 18 // the job does not open the commitment
	CodeBadJob          Code = 19 // a job that can't be run as it is
	CodeRateLimited     Code = 20 // too many requests
	CodeShuttingDown    Code = 21 // the provider is stopping
	CodeInternal        Code = 22 // the provider's own fault
	CodeSimulated       Code = 23 // a simulated offer outside a devnet
	CodeTermsNotMine    Code = 24 // terms that this provider did not sign
	CodeNotSettled      Code = 25 // live leases stand in the way of a settlement
	CodeInputs          Code = 26 // inputs could not be fetched, or break their limits
	CodeMinimumLifetime Code = 27 // a channel whose balance is dust beside a claim's gas
)

var codeNames = map[Code]string{
	CodeMalformed: "MALFORMED", CodeExpired: "EXPIRED", CodeBadSignature: "BAD_SIGNATURE",
	CodeReplayed: "REPLAYED", CodeBusy: "BUSY", CodeUnsupported: "UNSUPPORTED",
	CodeTooLittle: "TOO_LITTLE", CodePriceTooLow: "PRICE_TOO_LOW", CodeTooLong: "TOO_LONG",
	CodeWrongToken: "WRONG_TOKEN", CodeWrongChannel: "WRONG_CHANNEL", CodeUnderfunded: "UNDERFUNDED",
	CodeUnconfirmed: "UNCONFIRMED", CodeChannelClosing: "CHANNEL_CLOSING", CodeCloseDelay: "CLOSE_DELAY",
	CodeVoucherTooLow: "VOUCHER_TOO_LOW", CodeUnknownLease: "UNKNOWN_LEASE", CodeJobMismatch: "JOB_MISMATCH",
	CodeBadJob: "BAD_JOB", CodeRateLimited: "RATE_LIMITED", CodeShuttingDown: "SHUTTING_DOWN",
	CodeInternal: "INTERNAL", CodeSimulated: "SIMULATED", CodeTermsNotMine: "TERMS_NOT_MINE",
	CodeNotSettled: "NOT_SETTLED", CodeInputs: "INPUTS", CodeMinimumLifetime: "DUST",
}

// String returns the code's name, or its number when it is not known here.
func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("CODE_%d", uint32(c))
}

// Refusal is a no with its reason: what was seen, what is wanted, and how to
// mend it. It is an error, and errors.Is finds it by its code.
type Refusal struct {
	Code     Code
	Actual   string
	Required string
	Hint     string
}

// Refuse returns a refusal as an error.
func Refuse(code Code, actual, required, hint string) *Refusal {
	return &Refusal{code, actual, required, hint}
}

func (r *Refusal) Error() string {
	s := r.Code.String()
	if r.Actual != "" {
		s += ": " + r.Actual
	}
	if r.Required != "" {
		s += "; required: " + r.Required
	}
	if r.Hint != "" {
		s += " (" + r.Hint + ")"
	}
	return s
}

// Is reports whether target is a refusal with the same code.
func (r *Refusal) Is(target error) bool {
	var t *Refusal
	return errors.As(target, &t) && t.Code == r.Code
}

// AsRefusal returns the refusal in err, or CodeInternal without details: what
// went wrong inside is for the log, not for a peer.
func AsRefusal(err error) *Refusal {
	var r *Refusal
	if errors.As(err, &r) {
		return r
	}
	return Refuse(CodeInternal, "the provider failed", "", "try another provider, or this one later")
}

// Wire returns r as a message, its texts cut to MaxRefusalText.
func (r *Refusal) Wire() *wirev1.Refusal {
	return &wirev1.Refusal{Code: uint32(r.Code), Actual: cut(r.Actual), Required: cut(r.Required), Hint: cut(r.Hint)}
}

// RefusalFromWire reads a refusal. Whatever a peer sends is a refusal, so it
// can't fail; its texts are cut, and control characters in them replaced,
// because they end on somebody's terminal.
func RefusalFromWire(m *wirev1.Refusal) *Refusal {
	return Refuse(Code(m.GetCode()), cut(m.GetActual()), cut(m.GetRequired()), cut(m.GetHint()))
}

func cut(s string) string {
	if len(s) > MaxRefusalText {
		s = s[:MaxRefusalText]
	}
	// A rune cut in half at the end is replaced with the rest.
	return Printable(strings.ToValidUTF8(s, "."))
}

// Printable replaces what could steer a terminal in a text from outside.
func Printable(s string) string {
	out := []rune(s)
	for i, r := range out {
		if r == utf8.RuneError || r < ' ' || (r >= 0x7f && r < 0xa0) || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			out[i] = '.'
		}
	}
	return string(out)
}
