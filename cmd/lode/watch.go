package main

import (
	"context"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"github.com/urfave/cli/v2"

	"github.com/lode-market/lode/node/api"
	"github.com/lode-market/lode/node/api/apiv1"
)

// watchLevel is how much of a job a watcher tells.
type watchLevel bool

const (
	watchQuiet watchLevel = false // only what the job prints
	watchAll   watchLevel = true  // also where it stands
)

// watcher prints what happens to a job: its own output to ours, and the rest to
// standard error.
type watcher struct {
	session  *session
	level    watchLevel
	out, err io.Writer
	state    string
}

func newWatcher(c *cli.Context, s *session, level watchLevel) *watcher {
	return &watcher{session: s, level: level, out: c.App.Writer, err: c.App.ErrWriter}
}

// watch follows a job to its end.
func (w *watcher) watch(ctx context.Context, id string) (*apiv1.Job, error) {
	stream, err := w.session.WatchJob(ctx, connect.NewRequest(&apiv1.WatchJobRequest{Id: id}))
	if err != nil {
		return nil, err
	}
	defer stream.Close() // the stream's own error is below
	var last *apiv1.Job
	for stream.Receive() {
		w.show(stream.Msg())
		if j := stream.Msg().GetJob(); j != nil {
			last = j
		}
	}
	if err := stream.Err(); err != nil {
		return last, err
	}
	if last == nil {
		return nil, fmt.Errorf("the node said nothing about job %s", id)
	}
	return last, nil
}

// replay prints what is retained of a job, without waiting for more.
func (w *watcher) replay(ctx context.Context, id string) error {
	stream, err := w.session.WatchJob(ctx, connect.NewRequest(&apiv1.WatchJobRequest{Id: id, Replay: true}))
	if err != nil {
		return err
	}
	defer stream.Close() // the stream's own error is below
	for stream.Receive() {
		w.show(stream.Msg())
	}
	return stream.Err()
}

func (w *watcher) show(m *apiv1.WatchJobResponse) {
	switch {
	case m.GetLog() != nil:
		to := w.out
		if m.GetLog().GetStream() == 2 {
			to = w.err
		}
		to.Write(m.GetLog().GetData()) // a closed pipe ends us by its signal
	case w.level == watchQuiet:
	case m.GetNote() != "":
		fmt.Fprintln(w.err, m.GetNote())
	case m.GetProgress() != nil:
		p := m.GetProgress()
		if p.GetTotal() > 0 {
			fmt.Fprintf(w.err, "%s %d%%\n", p.GetStage(), 100*p.GetDone()/p.GetTotal())
		} else {
			fmt.Fprintf(w.err, "%s %s\n", p.GetStage(), bytesText(p.GetDone()))
		}
	case m.GetJob() != nil:
		j := m.GetJob()
		if s := stateText(j); s != w.state {
			w.state = s
			line := fmt.Sprintf("job %s: %s", j.GetId(), s)
			if j.GetProvider() != "" && !ended(j) {
				line += fmt.Sprintf(" at %s for %s %s/h", j.GetProvider(), money(j.GetPrice(), w.session.status.GetDecimals()), w.session.status.GetSymbol())
			}
			fmt.Fprintln(w.err, line)
		}
	}
}

func ended(j *apiv1.Job) bool {
	switch j.GetState() {
	case "done", "failed", "cancelled":
		return true
	}
	return false
}

// jobError turns how a job ended into this command's error.
func jobError(j *apiv1.Job) error {
	switch {
	case j.GetState() == "done" && j.GetExitCode() == 0:
		return nil
	case j.GetState() == "done":
		return exitCoder{fmt.Errorf("job %s ended with exit code %d", j.GetId(), j.GetExitCode()), exitJob}
	case j.GetState() == "cancelled":
		return exitCoder{fmt.Errorf("job %s was cancelled", j.GetId()), exitJob}
	}
	code, ok := exitCodes[api.Kind(j.GetFault())]
	if !ok {
		code = exitInternal
	}
	return exitCoder{fmt.Errorf("job %s failed (%s): %s", j.GetId(), j.GetCode(), j.GetError()), code}
}
