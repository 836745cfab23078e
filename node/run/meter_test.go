package run

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestMeterAgainstMilliseconds compares the meter with a model that steps one
// millisecond at a time, under random covers, pauses and late timers.
func TestMeterAgainstMilliseconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := func(name string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(t, name)) * time.Millisecond
		}
		start := time.Unix(1_000_000, 0)
		cover, limit, grace := ms("cover", 0, 200), ms("max", 0, 500), ms("grace", 0, 100)
		m := newMeter(start, cover, limit, grace)
		model := struct {
			used, spent, cover time.Duration
			paused             bool
			ended              Code
		}{cover: cover}
		settle := func() {
			switch {
			case model.ended != 0:
			case limit > 0 && model.used >= limit:
				model.ended = CodeMaxDuration
			case !model.paused && model.used >= model.cover && model.spent >= grace:
				model.ended = CodeGraceOver
			}
		}
		settle()
		now := start
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) {
				// Up to the next change by itself, as the guard's timer does.
				passed := time.Duration(rapid.IntRange(0, 60).Draw(t, "passed")) * time.Millisecond
				if due, ok := m.next(); ok {
					passed = min(passed, due)
				}
				for range passed / time.Millisecond {
					switch {
					case model.ended != 0 || model.paused:
					case model.used < model.cover:
						model.used += time.Millisecond
					default:
						model.spent += time.Millisecond
					}
					settle()
				}
				now = now.Add(passed)
				m.advance(now)
			},
			"cover": func(t *rapid.T) {
				until := time.Duration(rapid.IntRange(0, 600).Draw(t, "until")) * time.Millisecond
				model.cover = max(model.cover, until)
				m.extend(now, until)
			},
			"pause": func(t *rapid.T) {
				model.paused = rapid.Bool().Draw(t, "paused")
				m.pause(now, model.paused)
				settle()
			},
			"": func(t *rapid.T) {
				if m.used != model.used || m.spent != model.spent || m.ended != model.ended {
					t.Fatalf("meter used %v spent %v ended %v, model %+v", m.used, m.spent, m.ended, model)
				}
			},
		})
	})
}

// TestMeterLateTimer: however late the guard wakes, usage never passes cover and
// what ran too long is not charged to grace either.
func TestMeterLateTimer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_000_000, 0)
		m := newMeter(now, time.Second, 0, time.Second)
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "late")))
			before := m.state
			m.advance(now)
			if m.used > m.cover || m.spent > m.grace {
				t.Fatalf("used %v of %v, grace %v of %v", m.used, m.cover, m.spent, m.grace)
			}
			if before == StateRunning && m.state == StateEnded {
				t.Fatal("a late timer skipped the grace")
			}
		}
	})
}

// TestMeterIgnoresClockGoingBack guards against usage that shrinks.
func TestMeterIgnoresClockGoingBack(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	m := newMeter(now, time.Minute, 0, 0)
	m.advance(now.Add(time.Second))
	m.advance(now)
	if m.usage() != time.Second {
		t.Fatalf("usage is %v, want 1s", m.usage())
	}
}
