package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lode-market/lode/node/wire"
)

// maxJobLog bounds what is kept of each of a job's two outputs. What a job
// prints beyond it is still shown to those who watch.
const maxJobLog = 64 << 20

// jobLog keeps what a job printed, in one file for each output. Pieces are
// written where they belong, so a piece that comes twice changes nothing.
type jobLog struct {
	files [2]*os.File
	ends  [2]uint64
}

func logPaths(dir string) [2]string {
	return [2]string{filepath.Join(dir, "stdout"), filepath.Join(dir, "stderr")}
}

func openJobLog(dir string) (*jobLog, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := new(jobLog)
	for i, path := range logPaths(dir) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.files[i] = f
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.ends[i] = uint64(info.Size())
	}
	return l, nil
}

// write keeps a piece and returns the part of it that is new.
func (l *jobLog) write(p wire.Log) (fresh []byte, err error) {
	i := 0
	if p.Stream == wire.Stderr {
		i = 1
	}
	end := p.Offset + uint64(len(p.Data))
	if end < p.Offset || end <= l.ends[i] {
		return nil, nil // known, or an offset that wraps around
	}
	fresh = p.Data
	if p.Offset < l.ends[i] {
		fresh = p.Data[l.ends[i]-p.Offset:]
	}
	if end <= maxJobLog {
		if _, err := l.files[i].WriteAt(fresh, int64(end)-int64(len(fresh))); err != nil {
			return fresh, fmt.Errorf("keep the job's output: %w", err)
		}
	}
	l.ends[i] = end
	return fresh, nil
}

func (l *jobLog) close() error {
	var errs []error
	for _, f := range l.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// readJobLog passes on what was kept of a job that ended before this process began.
func readJobLog(dir string, send func(stream uint32, offset uint64, data []byte) error) error {
	for i, path := range logPaths(dir) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		defer f.Close() // only read
		buf := make([]byte, 32<<10)
		for offset := uint64(0); ; {
			n, err := f.Read(buf)
			if n > 0 {
				if err := send(uint32(i+1), offset, buf[:n]); err != nil {
					return err
				}
				offset += uint64(n)
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
