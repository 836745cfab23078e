package run

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func testJournal(tb testing.TB, limit int64) *journal {
	tb.Helper()
	j, err := newJournal(tb.TempDir(), limit)
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

func all(j *journal, seq uint64) []Event {
	var events []Event
	for e := range j.follow(context.Background(), seq) {
		events = append(events, e)
	}
	return events
}

// TestJournal: whatever is added, numbers have no hole that a gap does not
// name, retention keeps its limit, and disk and memory tell the same.
func TestJournal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := int64(rapid.IntRange(1000, 20000).Draw(rt, "limit"))
		j := testJournal(t, limit)
		added := uint64(0)
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			e := Event{Kind: EventUsage}
			if rapid.Bool().Draw(rt, "log") {
				e = Event{Kind: EventLog, Stream: Stdout, Data: []byte(strings.Repeat("x", rapid.IntRange(1, 3000).Draw(rt, "size")))}
			}
			j.add(e)
			added++
		}
		j.add(Event{Kind: EventExited, Exit: &Exit{Code: CodeExited}})
		added++
		if err := j.close(); err != nil {
			rt.Fatal(err)
		}
		after := rapid.Uint64Range(0, added).Draw(rt, "after")
		events := all(j, after)
		seq := after
		for _, e := range events {
			if e.Kind == EventGap {
				seq += e.Missed - 1
			}
			if e.Seq != seq+1 {
				rt.Fatalf("event %d follows %d", e.Seq, seq)
			}
			seq = e.Seq
		}
		if seq != added {
			rt.Fatalf("the last event is %d of %d", seq, added)
		}
		retained := int64(0)
		for _, e := range j.old {
			retained += eventSize(e)
		}
		for _, e := range j.cur {
			retained += eventSize(e)
		}
		// One event may be bigger than half the limit.
		if largest := int64(eventOverhead + 4000); retained > limit+largest {
			rt.Fatalf("retained %d bytes of at most %d", retained, limit)
		}
		disk, err := readJournal(j.dir, after)
		if err != nil {
			rt.Fatal(err)
		}
		if !reflect.DeepEqual(disk, events) {
			rt.Fatalf("disk tells\n%+v\nmemory\n%+v", disk, events)
		}
	})
}

// TestJournalKeepsLastWords: what is said right before the end survives any flood.
func TestJournalKeepsLastWords(t *testing.T) {
	j := testJournal(t, 10<<10)
	for n := range 1000 {
		j.add(Event{Kind: EventLog, Data: fmt.Append(nil, "line ", n, strings.Repeat(".", 100))})
	}
	j.add(Event{Kind: EventExited, Exit: &Exit{Code: CodeExited}})
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	events := all(j, 0)
	if last := events[len(events)-2]; !strings.HasPrefix(string(last.Data), "line 999.") || last.Seq != 1000 {
		t.Errorf("the last words are %+v", last)
	}
}

// TestJournalBudget: beyond its budget a job's log moves nothing but its numbers
// and what is held for the next event.
func TestJournalBudget(t *testing.T) {
	j := testJournal(t, 1<<20)
	j.budget = func(int64) bool { return false }
	for range 1000 {
		j.add(Event{Kind: EventLog, Data: make([]byte, 1000)})
	}
	if events, _, _ := j.after(0); len(events) != 0 {
		t.Fatalf("%d events are retained", len(events))
	}
	j.add(Event{Kind: EventUsage})
	events, _, _ := j.after(0)
	size := int64(0)
	for _, e := range events {
		size += eventSize(e)
	}
	if len(events) < 2 || size > maxLate+eventOverhead || events[len(events)-1].Seq != 1001 {
		t.Errorf("%d events of %d bytes are retained", len(events), size)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
}

// TestJournalLive: a listener gets events as they come.
func TestJournalLive(t *testing.T) {
	j := testJournal(t, 10<<10)
	heard := make(chan uint64)
	go func() {
		for e := range j.follow(context.Background(), 0) {
			heard <- e.Seq
		}
		close(heard)
	}()
	for want := range uint64(5) {
		j.add(Event{Kind: EventUsage})
		if got := <-heard; got != want+1 {
			t.Fatalf("heard %d, want %d", got, want+1)
		}
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if _, more := <-heard; more {
		t.Error("heard more after the end")
	}
}

// TestJournalDiskFails: a full disk costs the files, not the events.
func TestJournalDiskFails(t *testing.T) {
	j := testJournal(t, 10<<10)
	if err := j.file.Close(); err != nil {
		t.Fatal(err)
	}
	j.add(Event{Kind: EventUsage})
	j.add(Event{Kind: EventExited})
	if err := j.close(); err == nil {
		t.Error("the disk's error is lost")
	}
	if events := all(j, 0); len(events) != 2 {
		t.Errorf("%d events, want 2", len(events))
	}
}

func TestRefill(t *testing.T) {
	now := time.Unix(0, 0)
	budget := refill(100, time.Minute, func() time.Time { return now })
	if !budget(100) || budget(1) {
		t.Fatal("the bucket does not hold its size")
	}
	now = now.Add(30 * time.Second)
	if !budget(50) || budget(1) {
		t.Fatal("the bucket was not half full")
	}
}

func FuzzDecodeJournal(f *testing.F) {
	var good bytes.Buffer
	for seq := range uint64(3) {
		if err := writeFrame(&good, Event{Seq: 2 * seq, Kind: EventLog, Data: []byte("x")}); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(good.Bytes(), uint64(1))
	f.Add(good.Bytes()[:good.Len()-3], uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, after uint64) {
		events, err := decodeJournal(bytes.NewReader(data), after)
		if err != nil {
			return
		}
		for _, e := range events {
			if e.Seq <= after {
				t.Fatalf("event %d after %d", e.Seq, after)
			}
			after = e.Seq
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	for _, v := range []fromWorker{{Loaded: true}, {Log: &workerLog{Stream: Stdout, Data: []byte("hello")}}, {Done: &workerDone{Code: CodeExited}}} {
		frame, err := encodeFrame(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		var said fromWorker
		if err := readFrame(bytes.NewReader(data), maxWorkerFrame, &said); err != nil {
			return
		}
		frame, err := encodeFrame(said)
		if err != nil {
			t.Fatal(err)
		}
		var again fromWorker
		// Escaping may make it longer, never other.
		if err := readFrame(bytes.NewReader(frame), 8*maxWorkerFrame, &again); err != nil || !reflect.DeepEqual(said, again) {
			t.Fatalf("%+v came back as %+v, %v", said, again, err)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"version":1,"stats":{"state":2,"usage":1000000,"cover":2000000}}`))
	f.Add([]byte(`{"version":1,"stats":{"state":5,"exit":{"code":1}}}`))
	f.Add([]byte(`{"version":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		stats, err := decodeRecord(data)
		if err == nil && stats.State == StateEnded && stats.Exit == nil {
			t.Fatal("ended without an exit")
		}
	})
}

// TestRecordUsage: the last tick counts, up to cover, and a broken one does not.
func TestRecordUsage(t *testing.T) {
	dir := t.TempDir()
	if err := saveRecord(dir, Stats{State: StateRunning, Usage: time.Second, Cover: 3 * time.Second}); err != nil {
		t.Fatal(err)
	}
	for ticked, want := range map[string]time.Duration{
		"00000000000000002000\n": 2 * time.Second,
		"00000000000000000001\n": time.Second,
		"00000000000000009000\n": 3 * time.Second,
		"":                       time.Second,
		"garbage":                time.Second,
	} {
		if err := os.WriteFile(filepath.Join(dir, usageFile), []byte(ticked), 0o600); err != nil {
			t.Fatal(err)
		}
		if stats, err := loadRecord(dir); err != nil || stats.Usage != want {
			t.Errorf("tick %q gives %v, %v, want %v", ticked, stats.Usage, err, want)
		}
	}
}
