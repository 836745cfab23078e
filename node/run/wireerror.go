package run

import "errors"

// wireErrors numbers the errors that cross from one of our processes to another.
var wireErrors = map[int]error{
	1:  ErrNotWasm,
	2:  ErrMemoryDemand,
	3:  ErrDigest,
	4:  ErrSpec,
	5:  ErrExists,
	6:  ErrUnknown,
	7:  ErrGone,
	8:  ErrEnded,
	9:  ErrFailedToStart,
	10: ErrUnsupported,
}

// wireError is an error as it crosses, with the sentinels that it wraps.
type wireError struct {
	Codes []int  `json:"codes,omitempty"`
	Text  string `json:"text"`
}

func toWire(err error) *wireError {
	if err == nil {
		return nil
	}
	w := &wireError{Text: clip(err.Error(), maxDetail)}
	for code, sentinel := range wireErrors {
		if errors.Is(err, sentinel) {
			w.Codes = append(w.Codes, code)
		}
	}
	return w
}

// asError gives the error back, nil for nil. It unwraps to the same sentinels.
func (w *wireError) asError() error {
	if w == nil {
		return nil
	}
	remote := &remoteError{text: clip(w.Text, maxDetail)}
	for _, code := range w.Codes {
		if sentinel, ok := wireErrors[code]; ok {
			remote.sentinels = append(remote.sentinels, sentinel)
		}
	}
	return remote
}

type remoteError struct {
	sentinels []error
	text      string
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.sentinels }

// clip bounds a text that somebody else wrote.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}
