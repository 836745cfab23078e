package chain

import (
	"errors"
	"fmt"
	"net/url"
)

// What can be wrong between a node and its chain. Each comes wrapped in an *Error that says the actual and the
// required value and how to mend it.
var (
	// ErrUnreachable is returned when no JSON-RPC server answers at any of the URLs.
	ErrUnreachable = errors.New("no JSON-RPC server answers")
	// ErrSlow is returned when the servers take longer than Config.CallTimeout.
	ErrSlow = errors.New("the JSON-RPC server is too slow")
	// ErrWrongChain is returned when a server serves another chain id or genesis block than required.
	ErrWrongChain = errors.New("the JSON-RPC server serves another chain")
	// ErrNoContract is returned when there is no code where a contract should be.
	ErrNoContract = errors.New("no contract at the address")
	// ErrConfig is returned for a Config that can't work.
	ErrConfig = errors.New("unusable chain settings")

	// ErrReverted is returned when a transaction would fail or failed; the *Revert with the reason is in the chain.
	ErrReverted = errors.New("the transaction reverts")
	// ErrFeeTooHigh is returned, before anything is sent, when the network asks for more than Fees.Ceiling.
	ErrFeeTooHigh = errors.New("the network's gas price is above the ceiling")
	// ErrNoGas is returned, before anything is sent, when the account can't pay for the gas.
	ErrNoGas = errors.New("the account can't pay for gas")
	// ErrNonceTaken is returned when another transaction of the account, not by this sender, took the nonce. The
	// intent is free to be sent again.
	ErrNonceTaken = errors.New("another transaction took the nonce")
	// ErrNotMined is returned when waiting ended before the transaction was in a block. It may still get there:
	// sending the same intent again goes on waiting.
	ErrNotMined = errors.New("the transaction is not in a block yet")
	// ErrBadSigner is returned when a Signer gives back another transaction than it was asked to sign.
	ErrBadSigner = errors.New("the signer did not sign what it was asked to")
	// ErrBadLog is returned for an event that contradicts itself, which only a broken or lying server can send.
	ErrBadLog = errors.New("the JSON-RPC server sent a log that can't be")
)

// Error is one of the sentinels with what a person needs in order to act.
type Error struct {
	Kind     error  // one of the sentinels
	Actual   string // what was seen
	Required string // what is needed
	Mend     string // what to do
	Cause    error  // or nil
}

func (e *Error) Error() string {
	s := e.Kind.Error()
	if e.Actual != "" {
		s += ": " + e.Actual
	}
	if e.Required != "" {
		s += "; required: " + e.Required
	}
	if e.Cause != nil {
		s += fmt.Sprintf(" (%v)", e.Cause)
	}
	if e.Mend != "" {
		s += "; " + e.Mend
	}
	return s
}

// Unwrap gives errors.Is the sentinel and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// withoutURL drops the URL from an error of net/http: the path of a paid endpoint is its password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
