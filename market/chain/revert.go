package chain

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/lode-market/lode/contracts"
)

// Revert is why a contract refused. It is an ErrReverted.
type Revert struct {
	// Name is the custom error's name in Solidity ("ChannelIsClosed"), "Error" for a text or a panic, or empty when
	// the contract gave no reason.
	Name string
	// Detail is its arguments in words, or the text.
	Detail string
}

func (r *Revert) Error() string {
	s := ErrReverted.Error()
	if r.Name == "" {
		return s + " without a reason"
	}
	s += ": " + r.Name
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	if mend, ok := mends[r.Name]; ok {
		s += "; " + mend
	}
	return s
}

// Is makes every Revert an ErrReverted.
func (r *Revert) Is(target error) bool { return target == ErrReverted }

// mends says what to do about the errors that a user can meet by using Lode as meant.
var mends = map[string]string{
	"ERC20InsufficientAllowance": "approve the escrow contract for the amount first",
	"ERC20InsufficientBalance":   "get more of the token, or deposit less",
	"FaucetCapExceeded":          "ask for less",
	"ChannelIsClosing":           "open a new channel",
	"ChannelIsClosed":            "open a new channel",
	"ChannelIsNotClosing":        "start the closing first",
	"CloseDelayRunning":          "wait until then",
	"NotPayer":                   "use the payer's account or its signer",
	"SettlementExpired":          "ask the provider for a new settlement",
}

// explainRevert replaces the error of a call that reverted by a *Revert, and leaves others as they are.
func explainRevert(err error) error {
	var data rpc.DataError
	if !errors.As(err, &data) {
		return err
	}
	text, ok := data.ErrorData().(string)
	if !ok {
		return err
	}
	raw, decodeErr := hexutil.Decode(text)
	if decodeErr != nil {
		return err // something else than a revert carries data of another form
	}
	return decodeRevert(raw)
}

// decodeRevert reads what a contract gives back when it reverts: a selector of 4 bytes and the ABI's arguments. The
// token's errors come through the escrow contract unchanged.
func decodeRevert(raw []byte) *Revert {
	if text, err := abi.UnpackRevert(raw); err == nil {
		return &Revert{Name: "Error", Detail: printable(text)}
	}
	if len(raw) < 4 {
		return &Revert{}
	}
	channels, token := contracts.NewChannels().GetABI(), contracts.NewDevToken().GetABI()
	for _, known := range []abi.ABI{channels, token} {
		e, err := known.ErrorByID([4]byte(raw))
		if err != nil {
			continue
		}
		args, err := e.Inputs.Unpack(raw[4:])
		if err != nil {
			return &Revert{Name: e.Name, Detail: "malformed arguments"}
		}
		words := make([]string, len(args))
		for i, arg := range args {
			words[i] = e.Inputs[i].Name + " " + word(arg)
		}
		return &Revert{Name: e.Name, Detail: strings.Join(words, ", ")}
	}
	return &Revert{Name: hexutil.Encode(raw[:4]), Detail: "an error that is not in the contracts of Lode"}
}

func word(arg any) string {
	switch v := arg.(type) {
	case [32]byte:
		return common.Hash(v).Hex()
	case string:
		return printable(v)
	default:
		return fmt.Sprint(v)
	}
}

func printable(s string) string { return fmt.Sprintf("%.200q", s) }
