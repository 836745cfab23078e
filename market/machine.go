package market

import (
	"errors"
	"fmt"
)

// ErrIllegalTransition is wrapped by Step when a state does not take an event.
// Neither the state nor anything else has changed.
var ErrIllegalTransition = errors.New("illegal transition")

// edge is a place in a table: in this state, on this kind of event.
type edge[S, K comparable] struct {
	state S
	event K
}

func illegal[S, K fmt.Stringer](state S, event K) error {
	return fmt.Errorf("%w: %s in state %s", ErrIllegalTransition, event, state)
}
