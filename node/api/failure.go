package api

import (
	"context"
	"errors"
	"log/slog"

	"connectrpc.com/connect"

	"github.com/lode-market/lode/node/api/apiv1"
	"github.com/lode-market/lode/proto"
)

// Kind says whose fault a failure is. The CLI's exit codes follow it.
type Kind string

// The kinds of failures.
const (
	KindUser     Kind = "user"
	KindJob      Kind = "job"
	KindPeer     Kind = "peer"
	KindChain    Kind = "chain"
	KindInternal Kind = "internal"
)

// Failure is an error with what a program needs to know of it.
type Failure struct {
	Kind     Kind
	Code     string
	Actual   string
	Required string
	Hint     string
	// Message is the whole, for people.
	Message string
}

func (f *Failure) Error() string { return f.Message }

// Fail returns err as a failure of the given kind. A refusal in it gives the
// code and the values.
func Fail(kind Kind, code string, err error) *Failure {
	f := &Failure{Kind: kind, Code: code, Message: err.Error()}
	var r *proto.Refusal
	if errors.As(err, &r) {
		f.Code, f.Actual, f.Required, f.Hint = r.Code.String(), r.Actual, r.Required, r.Hint
	}
	return f
}

var connectCodes = map[Kind]connect.Code{
	KindUser: connect.CodeInvalidArgument, KindJob: connect.CodeAborted, KindPeer: connect.CodeUnavailable,
	KindChain: connect.CodeFailedPrecondition, KindInternal: connect.CodeInternal,
}

// failures turns what a handler returns into Connect errors with details.
func failures(log *slog.Logger) connect.Interceptor { return failureInterceptor{log} }

type failureInterceptor struct{ log *slog.Logger }

func (i failureInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (connect.AnyResponse, error) {
		res, err := next(ctx, req)
		return res, i.wrap(req.Spec().Procedure, err)
	}
}

func (i failureInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

func (i failureInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) error {
		return i.wrap(conn.Spec().Procedure, next(ctx, conn))
	}
}

func (i failureInterceptor) wrap(procedure string, err error) error {
	if err == nil {
		return nil
	}
	var c *connect.Error
	if errors.As(err, &c) {
		return err
	}
	var f *Failure
	if !errors.As(err, &f) {
		if errors.Is(err, context.Canceled) {
			return connect.NewError(connect.CodeCanceled, err)
		}
		i.log.Error("api", "call", procedure, "err", err)
		// The socket is its owner's: what went wrong may be told.
		f = &Failure{Kind: KindInternal, Code: "INTERNAL", Message: err.Error()}
	}
	code, ok := connectCodes[f.Kind]
	if !ok {
		code = connect.CodeInternal // zero would be a success
	}
	out := connect.NewError(code, errors.New(f.Message))
	detail, derr := connect.NewErrorDetail(&apiv1.Failure{
		Kind: string(f.Kind), Code: f.Code, Actual: f.Actual, Required: f.Required, Hint: f.Hint,
	})
	if derr == nil {
		out.AddDetail(detail)
	}
	return out
}

// FailureOf returns the failure that a client's call met, or nil when err is
// something else, such as no node answering.
func FailureOf(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	var c *connect.Error
	if !errors.As(err, &c) {
		return nil
	}
	for _, d := range c.Details() {
		m, err := d.Value()
		if err != nil {
			continue // a detail of a later version
		}
		if m, ok := m.(*apiv1.Failure); ok {
			return &Failure{
				Kind: Kind(m.GetKind()), Code: m.GetCode(), Actual: m.GetActual(), Required: m.GetRequired(),
				Hint: m.GetHint(), Message: c.Message(),
			}
		}
	}
	return nil
}
