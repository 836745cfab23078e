package wire

import (
	"fmt"
	"time"

	"github.com/lode-market/lode/proto"
	wirev1 "github.com/lode-market/lode/proto/lode/wire/v1"
)

// Event is something that a provider tells about a lease. Events are numbered
// from 1; Lost counts the numbers before this one that were lost.
type Event struct {
	Seq  uint64
	Lost uint64
	Body EventBody
}

// EventBody is one of the types below.
type EventBody interface {
	// put writes the body into a message.
	put(*wirev1.Event)
	// size estimates the bytes that it takes in memory and on the wire.
	size() int
}

// What a provider tells.
type (
	// Preparing is progress of a stage; Total is 0 while it is not known.
	Preparing struct {
		Stage       string
		Done, Total uint64
	}
	// Started: the job runs.
	Started struct{}
	// Log is a piece of the job's output. Offset counts the bytes of that stream
	// before it.
	Log struct {
		Stream LogStream
		Offset uint64
		Data   []byte
	}
	// Usage is the meter, what is due by it, and the credit that the lease asks
	// for in all.
	Usage struct {
		Usage time.Duration
		Due   proto.Amount
		Want  proto.Amount
	}
	// Frozen: credit is used up.
	Frozen struct{ Usage, GraceLeft time.Duration }
	// Thawed: it goes on.
	Thawed struct{}
	// Finished is the last event. The receipt's signature and the blocks' hashes
	// have not been checked.
	Finished struct {
		Receipt proto.Receipt
		Detail  string
		Blocks  [][]byte
	}
)

// LogStream says which output. The numbers travel.
type LogStream uint32

// The outputs of a job.
const (
	Stdout LogStream = 1
	Stderr LogStream = 2
)

// Bounds of what an event holds, besides those in package proto.
const (
	maxStage = 64 // bytes of a stage's name
	// eventOverhead is what an event takes besides its data, in bytes.
	eventOverhead = 64
)

func (e Event) wire() *wirev1.Event {
	m := &wirev1.Event{Seq: e.Seq, Lost: e.Lost}
	e.Body.put(m)
	return m
}

func (b Preparing) put(m *wirev1.Event) {
	m.Kind = &wirev1.Event_Preparing{Preparing: &wirev1.Preparing{Stage: b.Stage, Done: b.Done, Total: b.Total}}
}
func (Started) put(m *wirev1.Event) { m.Kind = &wirev1.Event_Started{Started: &wirev1.Started{}} }
func (b Log) put(m *wirev1.Event) {
	m.Kind = &wirev1.Event_Log{Log: &wirev1.Log{Stream: uint32(b.Stream), Offset: b.Offset, Data: b.Data}}
}
func (b Usage) put(m *wirev1.Event) {
	m.Kind = &wirev1.Event_Usage{Usage: &wirev1.Usage{UsageMs: millis(b.Usage), Due: b.Due.Bytes(), Want: b.Want.Bytes()}}
}
func (b Frozen) put(m *wirev1.Event) {
	m.Kind = &wirev1.Event_Frozen{Frozen: &wirev1.Frozen{UsageMs: millis(b.Usage), GraceLeftMs: millis(b.GraceLeft)}}
}
func (Thawed) put(m *wirev1.Event) { m.Kind = &wirev1.Event_Thawed{Thawed: &wirev1.Thawed{}} }
func (b Finished) put(m *wirev1.Event) {
	m.Kind = &wirev1.Event_Finished{Finished: &wirev1.Finished{
		Receipt: b.Receipt.Wire(), Detail: clip(b.Detail), Blocks: b.Blocks,
	}}
}

func (b Preparing) size() int { return eventOverhead + len(b.Stage) }
func (Started) size() int     { return eventOverhead }
func (b Log) size() int       { return eventOverhead + len(b.Data) }
func (Usage) size() int       { return eventOverhead }
func (Frozen) size() int      { return eventOverhead }
func (Thawed) size() int      { return eventOverhead }
func (b Finished) size() int {
	n := eventOverhead + 256 + len(b.Detail)
	for _, blk := range b.Blocks {
		n += len(blk) + 8
	}
	return n
}

// readEvent turns a message into a checked event. The error is a *proto.Refusal.
func readEvent(m *wirev1.Event) (Event, error) {
	e := Event{Seq: m.GetSeq(), Lost: m.GetLost()}
	var err error
	switch k := m.GetKind().(type) {
	case *wirev1.Event_Preparing:
		if len(k.Preparing.GetStage()) > maxStage {
			return e, malformed("a stage of %d bytes", "at most %d", len(k.Preparing.GetStage()), maxStage)
		}
		e.Body = Preparing{proto.Printable(k.Preparing.GetStage()), k.Preparing.GetDone(), k.Preparing.GetTotal()}
	case *wirev1.Event_Started:
		e.Body = Started{}
	case *wirev1.Event_Log:
		s := LogStream(k.Log.GetStream())
		if s != Stdout && s != Stderr {
			return e, malformed("output %d", "1 to %d", s, Stderr)
		}
		if n := len(k.Log.GetData()); n > proto.MaxLogChunk {
			return e, malformed("a log chunk of %d bytes", "at most %d", n, proto.MaxLogChunk)
		}
		e.Body = Log{s, k.Log.GetOffset(), k.Log.GetData()}
	case *wirev1.Event_Usage:
		e.Body, err = readUsage(k.Usage)
	case *wirev1.Event_Frozen:
		e.Body, err = readFrozen(k.Frozen)
	case *wirev1.Event_Thawed:
		e.Body = Thawed{}
	case *wirev1.Event_Finished:
		e.Body, err = readFinished(k.Finished)
	default:
		return e, proto.Refuse(proto.CodeMalformed, "an event without a kind", "a kind that this version knows", "")
	}
	return e, err
}

func readUsage(m *wirev1.Usage) (EventBody, error) {
	u, err := readSpan(m.GetUsageMs())
	if err != nil {
		return nil, err
	}
	due, err := proto.AmountFromWire("due", m.GetDue())
	if err != nil {
		return nil, err
	}
	want, err := proto.AmountFromWire("want", m.GetWant())
	if err != nil {
		return nil, err
	}
	return Usage{u, due, want}, nil
}

func readFrozen(m *wirev1.Frozen) (EventBody, error) {
	u, err := readSpan(m.GetUsageMs())
	if err != nil {
		return nil, err
	}
	left, err := readSpan(m.GetGraceLeftMs())
	if err != nil {
		return nil, err
	}
	return Frozen{u, left}, nil
}

func readFinished(m *wirev1.Finished) (EventBody, error) {
	r, err := proto.ReceiptFromWire(m.GetReceipt())
	if err != nil {
		return nil, err
	}
	total := 0
	for _, b := range m.GetBlocks() {
		total += len(b)
	}
	if total > proto.MaxInlineResult || len(m.GetBlocks()) > proto.MaxInlineBlocks {
		return nil, malformed("%d bytes of result", "at most %d in few blocks", total, proto.MaxInlineResult)
	}
	return Finished{r, clip(m.GetDetail()), m.GetBlocks()}, nil
}

func readSpan(ms uint64) (time.Duration, error) {
	if ms > uint64(proto.MaxSpan.Milliseconds()) {
		return 0, malformed("a span of %d ms", "at most %d", ms, proto.MaxSpan.Milliseconds())
	}
	return time.Duration(ms) * time.Millisecond, nil
}

func millis(d time.Duration) uint64 { return uint64(max(d, 0).Milliseconds()) }

// clip bounds a text and makes it printable, as refusals are.
func clip(s string) string { return proto.RefusalFromWire(&wirev1.Refusal{Actual: s}).Actual }

func malformed(actual, required string, is, most any) error {
	return proto.Refuse(proto.CodeMalformed, fmt.Sprintf(actual, is), fmt.Sprintf(required, most), "")
}
