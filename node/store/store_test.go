package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func lease() ProviderLease {
	at := time.UnixMilli(1_700_000_000_123)
	var l ProviderLease
	l.ID[0], l.ID[31] = 7, 9
	l.State = market.ProviderRunning
	l.Terms.Price = proto.PerHour(proto.NewAmount(3600))
	l.Terms.Issued, l.Terms.Expires = at, at.Add(time.Minute)
	l.Terms.Provider[3] = 1
	l.Usage, l.Created, l.Job, l.Result = 1500*time.Millisecond, at, []byte{1, 2}, []byte{3}
	return l
}

func TestRecordsComeBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lode.db")
	ctx := context.Background()
	s := open(t, path)
	want := lease()
	book := &pay.Payee{Grants: map[proto.LeaseID]proto.Amount{want.ID: proto.NewAmount(5)}, Finished: proto.MaxAmount}
	book.Key.Salt = 3
	if err := s.Update(ctx, func(t *Tx) error {
		return errors.Join(t.InsertProviderLease(want), t.PutPayee(book), t.SetMeta("k", "v"),
			t.PutJob(Job{ID: "a", State: JobLeased, Created: want.Created}))
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if err := s.View(ctx, func(tx *Tx) error {
		live, err := tx.LiveProviderLeases()
		if err != nil {
			return err
		}
		if len(live) != 1 || live[0].Usage != want.Usage || live[0].Terms.Price != want.Terms.Price ||
			live[0].Terms.Provider != want.Terms.Provider || !live[0].Created.Equal(want.Created) ||
			live[0].Terms.StructHash() != want.Terms.StructHash() {
			t.Errorf("lease came back as %+v", live)
		}
		books, err := tx.Payees()
		if err != nil {
			return err
		}
		if len(books) != 1 || !reflect.DeepEqual(books[0], book) {
			t.Errorf("book came back as %+v", books)
		}
		jobs, err := tx.LiveJobs()
		if err != nil || len(jobs) != 1 {
			t.Errorf("jobs %v, %v", jobs, err)
		}
		_, err = tx.Job("b")
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("a job that is not there: %v", err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; vouchers are not for others", fi.Mode(), err)
	}
}

// Changes share a commit, but a failing one takes nothing else down.
func TestChangesAreApart(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "lode.db"))
	ctx := context.Background()
	boom := errors.New("boom")
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			err := s.Update(ctx, func(tx *Tx) error {
				if err := tx.SetMeta(fmt.Sprint(i), "x"); err != nil {
					return err
				}
				if i%3 == 0 {
					return boom
				}
				return nil
			})
			if (i%3 == 0) != errors.Is(err, boom) {
				t.Errorf("change %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if err := s.View(ctx, func(tx *Tx) error {
		for i := range 200 {
			v, err := tx.Meta(fmt.Sprint(i))
			if err != nil {
				return err
			}
			if (v == "x") == (i%3 == 0) {
				t.Errorf("change %d left %q", i, v)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestOnce(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "lode.db"))
	ctx := context.Background()
	now := time.UnixMilli(1_700_000_000_000)
	use := func(at time.Time) error {
		return s.Update(ctx, func(tx *Tx) error { return tx.UseNonce(proto.Hash{1}, now.Add(time.Minute), at) })
	}
	if err := use(now); err != nil {
		t.Fatal(err)
	}
	if err := use(now.Add(time.Second)); !errors.Is(err, ErrExists) {
		t.Errorf("a nonce was used twice: %v", err)
	}
	if err := use(now.Add(2 * time.Minute)); err != nil {
		t.Errorf("a nonce is kept beyond its terms: %v", err)
	}
	insert := func() error {
		return s.Update(ctx, func(tx *Tx) error { return tx.InsertProviderLease(lease()) })
	}
	if err := insert(); err != nil {
		t.Fatal(err)
	}
	if err := insert(); !errors.Is(err, ErrExists) {
		t.Errorf("a lease was opened twice: %v", err)
	}
}

func TestRefusesNewerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lode.db")
	s := open(t, path)
	if _, err := s.db.Exec("PRAGMA user_version = 999"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), path); !errors.Is(err, ErrNewer) {
		t.Errorf("opened a file of the future: %v", err)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "lode.db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("update after close: %v", err)
	}
}
