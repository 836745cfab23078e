package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A lease's directory and what is in it.
const (
	stateFile = "state.json"
	usageFile = "usage"
	sockFile  = "sock"
	lockFile  = "lock"
	outDir    = "out"
	tmpDir    = "tmp" // only in a worker's directory
)

// record is what a lease's directory remembers of it.
type record struct {
	Version int   `json:"version"` // 1
	Stats   Stats `json:"stats"`
}

const recordVersion = 1

// saveRecord replaces the lease's state so that it is whole and on disk
// whenever the power goes.
func saveRecord(dir string, stats Stats) (err error) {
	body, err := json.Marshal(record{Version: recordVersion, Stats: stats})
	if err != nil {
		return err
	}
	temp := filepath.Join(dir, stateFile+".new")
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(dir, stateFile)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// loadRecord gives the lease's last state, its usage brought up to the last tick.
func loadRecord(dir string) (Stats, error) {
	file, err := os.Open(filepath.Join(dir, stateFile))
	if err != nil {
		return Stats{}, err
	}
	body, err := io.ReadAll(io.LimitReader(file, maxStateFile+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return Stats{}, err
	}
	stats, err := decodeRecord(body)
	if err != nil || stats.State == StateEnded {
		return stats, err
	}
	ticked, err := os.ReadFile(filepath.Join(dir, usageFile))
	if errors.Is(err, fs.ErrNotExist) {
		return stats, nil
	}
	if err != nil {
		return Stats{}, err
	}
	// A tick that never reached the disk whole tells nothing; the last transition does.
	if ms, err := strconv.ParseInt(strings.TrimSpace(string(ticked)), 10, 64); err == nil {
		stats.Usage = max(stats.Usage, min(time.Duration(ms)*time.Millisecond, stats.Cover))
	}
	return stats, nil
}

func decodeRecord(body []byte) (Stats, error) {
	if len(body) > maxStateFile {
		return Stats{}, fmt.Errorf("lease state has more than %d bytes", maxStateFile)
	}
	var r record
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&r); err != nil {
		return Stats{}, fmt.Errorf("lease state: %w", err)
	}
	if r.Version != recordVersion {
		return Stats{}, fmt.Errorf("lease state has version %d, this binary reads %d", r.Version, recordVersion)
	}
	if (r.Stats.State == StateEnded) != (r.Stats.Exit != nil) {
		return Stats{}, errors.New("lease state: an exit belongs to an ended job and to no other")
	}
	return r.Stats, nil
}

// recorder puts a lease's state on disk beside the guard's loop, because a slow
// disk must not delay a freeze.
type recorder struct {
	dir     string
	pending chan Stats // capacity 1: the newest state wins
	done    chan error
}

func newRecorder(dir string) *recorder {
	r := &recorder{dir: dir, pending: make(chan Stats, 1), done: make(chan error, 1)}
	go func() {
		var failed error
		saved := State(0)
		for stats := range r.pending {
			err := r.save(stats, stats.State != saved)
			if err == nil {
				saved = stats.State
			}
			failed = err
		}
		r.done <- failed
	}()
	return r
}

func (r *recorder) save(stats Stats, transition bool) error {
	if transition {
		return saveRecord(r.dir, stats)
	}
	// Fixed width, so that overwriting in place never mixes two numbers' lengths.
	return overwrite(filepath.Join(r.dir, usageFile), fmt.Appendf(nil, "%020d\n", stats.Usage.Milliseconds()))
}

func overwrite(name string, body []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(body, 0)
	return errors.Join(err, file.Close())
}

// note hands the newest state over and never blocks.
func (r *recorder) note(stats Stats) {
	for {
		select {
		case r.pending <- stats:
			return
		default:
		}
		select {
		case <-r.pending:
		default:
		}
	}
}

// finish writes the last state and returns when it is on disk.
func (r *recorder) finish(stats Stats) error {
	r.note(stats)
	close(r.pending)
	return <-r.done
}
