package run

import "time"

// meter decides, from the clock it is given and nothing else, whether a job may
// run. It is the one place where covered until, grace and the longest duration
// are obeyed; the guard performs what it says.
//
//	running --usage = cover--> frozen --grace spent--> ended (grace over)
//	   |  ^                      |
//	   |  +------ more cover ----+
//	   +--- usage = max --> ended (max duration)
//
// The owner's pause takes precedence over running and frozen and spends nothing.
type meter struct {
	cover time.Duration // usage up to which the job may run
	max   time.Duration // usage at which the job ends; 0 for never
	grace time.Duration // budget of frozen time for the whole lease

	used   time.Duration // usage at the moment `at`
	spent  time.Duration // grace spent at the moment `at`
	at     time.Time
	paused bool
	state  State
	ended  Code // why, in StateEnded
}

// newMeter starts to meter a job at now.
func newMeter(now time.Time, cover, max, grace time.Duration) *meter {
	m := &meter{cover: cover, max: max, grace: grace, at: now, state: StateRunning}
	m.decide()
	return m
}

// advance accounts the time up to now and decides the state. What ran beyond
// cover, because a timer was late, is neither usage nor grace.
func (m *meter) advance(now time.Time) State {
	passed := max(now.Sub(m.at), 0)
	m.at = now
	switch m.state {
	case StateRunning:
		m.used = max(m.used, min(m.used+passed, m.limit()))
	case StateFrozen:
		m.spent = min(m.spent+passed, m.grace)
	}
	m.decide()
	return m.state
}

// limit is the usage at which a running job changes state.
func (m *meter) limit() time.Duration {
	if m.max > 0 {
		return min(m.cover, m.max)
	}
	return m.cover
}

func (m *meter) decide() {
	switch {
	case m.state == StateEnded:
	case m.max > 0 && m.used >= m.max:
		m.state, m.ended = StateEnded, CodeMaxDuration
	case m.paused:
		m.state = StatePaused
	case m.used < m.cover:
		m.state = StateRunning
	case m.spent >= m.grace:
		m.state, m.ended = StateEnded, CodeGraceOver
	default:
		m.state = StateFrozen
	}
}

// extend sets covered until, never backwards.
func (m *meter) extend(now time.Time, until time.Duration) State {
	m.advance(now)
	m.cover = max(m.cover, until)
	m.decide()
	return m.state
}

// pause sets or lifts the owner's pause.
func (m *meter) pause(now time.Time, paused bool) State {
	m.advance(now)
	m.paused = paused
	m.decide()
	return m.state
}

// stop ends the metering: the job has ended by itself.
func (m *meter) stop(now time.Time) {
	m.advance(now)
	m.state = StateEnded
}

// next is how long after `at` the state changes by itself; false for never.
func (m *meter) next() (time.Duration, bool) {
	switch m.state {
	case StateRunning:
		return m.limit() - m.used, true
	case StateFrozen:
		return m.grace - m.spent, true
	default:
		return 0, false
	}
}

// usage is what has been metered, in whole milliseconds, rounded down so that
// it never passes cover.
func (m *meter) usage() time.Duration { return m.used.Truncate(time.Millisecond) }
