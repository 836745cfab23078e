package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite" // the database/sql driver
)

// Errors of the store.
var (
	// ErrNotFound is returned when there is no record with that id.
	ErrNotFound = errors.New("not found")
	// ErrExists is returned when a record that may be written once is there already.
	ErrExists = errors.New("already there")
	// ErrNewer is returned by Open for a file that a later version of Lode wrote.
	ErrNewer = errors.New("database is of a newer version")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("store is closed")
)

// Store is the open database. Its methods may be called concurrently.
type Store struct {
	db      *sql.DB
	changes chan change
	closing chan struct{} // closed by Close: no new changes
	done    chan struct{} // closed when the writer has ended
	once    sync.Once
}

// change is one Update on its way to the writer.
type change struct {
	ctx  context.Context
	fn   func(*Tx) error
	done chan error
}

// maxBatch bounds how many changes share a commit, and so what one of them waits.
const maxBatch = 64

// Open opens the file at path, makes it when it is missing, and brings its
// schema up to date.
func Open(ctx context.Context, path string) (*Store, error) {
	// The file is made by hand first: SQLite would give it the umask's mode.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	dsn := url.URL{Scheme: "file", Path: abs, RawQuery: url.Values{
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(ON)"},
		"_txlock": {"immediate"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", filepath.Base(path), err), db.Close())
	}
	s := &Store{db: db, changes: make(chan change), closing: make(chan struct{}), done: make(chan struct{})}
	go s.write()
	return s, nil
}

// Close waits for changes under way and closes the file.
func (s *Store) Close() error {
	s.once.Do(func() { close(s.closing) })
	<-s.done
	return s.db.Close()
}

// Update runs fn in a transaction and returns once that is on disk, or was
// rolled back because fn failed. fn runs on the store's only writer: it must do
// nothing but read and write through its Tx.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	c := change{ctx, fn, make(chan error, 1)}
	select {
	case s.changes <- c:
	case <-s.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-c.done
}

// View runs fn on a consistent snapshot. Writing through its Tx fails.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	defer tx.Rollback() // a snapshot has nothing to commit
	return fn(&Tx{ctx, tx})
}

// write commits changes, as many at a time as are waiting.
func (s *Store) write() {
	defer close(s.done)
	for {
		select {
		case c := <-s.changes:
			batch := []change{c}
		fill:
			for len(batch) < maxBatch {
				select {
				case c := <-s.changes:
					batch = append(batch, c)
				default:
					break fill
				}
			}
			s.commit(batch)
		case <-s.closing:
			return
		}
	}
}

// commit applies a batch in one transaction. A change that fails is rolled back
// to its savepoint and does not touch the others; when the commit itself fails,
// all of them fail.
func (s *Store) commit(batch []change) {
	results := make([]error, len(batch))
	err := func() error {
		// Not the context of any one change: the others must not end with it.
		ctx := context.Background()
		tx, err := s.db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // after Commit it does nothing
		for i, c := range batch {
			if results[i] = c.ctx.Err(); results[i] != nil {
				continue
			}
			if _, err := tx.ExecContext(ctx, "SAVEPOINT change"); err != nil {
				return err
			}
			if results[i] = c.fn(&Tx{ctx, tx}); results[i] != nil {
				if _, err := tx.ExecContext(ctx, "ROLLBACK TO change"); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, "RELEASE change"); err != nil {
				return err
			}
		}
		return tx.Commit()
	}()
	for i, c := range batch {
		if err != nil {
			c.done <- fmt.Errorf("store: %w", err)
			continue
		}
		c.done <- results[i]
	}
}
