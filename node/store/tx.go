package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lode-market/lode/market"
	"github.com/lode-market/lode/market/pay"
	"github.com/lode-market/lode/proto"
)

// Tx is a transaction under way.
type Tx struct {
	ctx context.Context
	tx  *sql.Tx
}

func (t *Tx) exec(query string, args ...any) error {
	if _, err := t.tx.ExecContext(t.ctx, query, args...); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// get reads one record's body.
func get[T any](t *Tx, query string, args ...any) (T, error) {
	var v T
	var body []byte
	err := t.tx.QueryRowContext(t.ctx, query, args...).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return v, ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil {
		return v, fmt.Errorf("store: %w", err)
	}
	return v, nil
}

// list reads the bodies of many records.
func list[T any](t *Tx, query string, args ...any) ([]T, error) {
	rows, err := t.tx.QueryContext(t.ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	defer rows.Close() // rows.Err below reports what went wrong
	var all []T
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		var v T
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		all = append(all, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return all, nil
}

func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	return string(b), nil
}

// ProviderLease is a lease that this node runs, with what it takes to run it
// again after a restart.
type ProviderLease struct {
	market.ProviderLease
	// Job is the canonical document that was opened.
	Job []byte
	// Seq is the last event number that may have been used, and LogSeq the last
	// of the shim's events that was taken over: both are written ahead in steps,
	// so a restart leaves a gap and no number is used twice.
	Seq    uint64
	LogSeq uint64
	// LogOffsets are the bytes of standard output and error up to LogSeq.
	LogOffsets [2]uint64
	Created    time.Time
	Ended      time.Time
	// Released is set once outputs and grants are gone, after retention.
	Released bool
	Receipt  proto.Receipt
}

// InsertProviderLease writes a new lease; ErrExists when it is there already.
func (t *Tx) InsertProviderLease(l ProviderLease) error {
	body, err := encode(l)
	if err != nil {
		return err
	}
	r, err := t.tx.ExecContext(t.ctx, `INSERT INTO provider_leases (id, state, channel, created, body)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		l.ID.String(), uint8(l.State), l.Terms.Channel.ID().String(), l.Created.UnixMilli(), body)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("lease %s: %w", l.ID, ErrExists), err)
	}
	return t.exec("INSERT INTO renters (channel, peer) VALUES (?, ?) ON CONFLICT DO NOTHING",
		l.Terms.Channel.ID().String(), l.Terms.RequesterPeer.String())
}

// PutProviderLease writes a lease's new state.
func (t *Tx) PutProviderLease(l ProviderLease) error {
	body, err := encode(l)
	if err != nil {
		return err
	}
	return t.exec("UPDATE provider_leases SET state = ?, ended = ?, released = ?, body = ? WHERE id = ?",
		uint8(l.State), unixMilli(l.Ended), l.Released, body, l.ID.String())
}

// DeleteProviderLease forgets a lease that nothing refers to.
func (t *Tx) DeleteProviderLease(id proto.LeaseID) error {
	return t.exec("DELETE FROM provider_leases WHERE id = ?", id.String())
}

// HasRented reports whether a peer has rented here on a channel.
func (t *Tx) HasRented(peer proto.PeerKey, channel proto.ChannelID) (known bool, err error) {
	err = t.tx.QueryRowContext(t.ctx, "SELECT EXISTS (SELECT 1 FROM renters WHERE channel = ? AND peer = ?)",
		channel.String(), peer.String()).Scan(&known)
	if err != nil {
		return false, fmt.Errorf("store: %w", err)
	}
	return known, nil
}

// ProviderLease reads one lease.
func (t *Tx) ProviderLease(id proto.LeaseID) (ProviderLease, error) {
	return get[ProviderLease](t, "SELECT body FROM provider_leases WHERE id = ?", id.String())
}

// LiveProviderLeases reads the leases that have not finished.
func (t *Tx) LiveProviderLeases() ([]ProviderLease, error) {
	return list[ProviderLease](t, "SELECT body FROM provider_leases WHERE state != ? ORDER BY created, id", uint8(market.ProviderFinished))
}

// HeldProviderLeases reads the finished leases whose results are still kept.
func (t *Tx) HeldProviderLeases() ([]ProviderLease, error) {
	return list[ProviderLease](t, "SELECT body FROM provider_leases WHERE state = ? AND released = 0 ORDER BY created, id", uint8(market.ProviderFinished))
}

// ProviderLeases reads the newest leases, at most n.
func (t *Tx) ProviderLeases(n int) ([]ProviderLease, error) {
	return list[ProviderLease](t, "SELECT body FROM provider_leases ORDER BY created DESC, id LIMIT ?", n)
}

// RequesterLease is a lease that this node rents.
type RequesterLease struct {
	market.RequesterLease
	// Job is the id of the job in this store that it runs.
	Job     string
	Salt    proto.Hash
	Created time.Time
	// Vouchers counts those that promised more to the lease than the one before.
	Vouchers int
}

// PutRequesterLease writes a lease, new or changed.
func (t *Tx) PutRequesterLease(l RequesterLease) error {
	body, err := encode(l)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO requester_leases (id, state, job, created, body) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body`,
		l.ID.String(), uint8(l.State), l.Job, l.Created.UnixMilli(), body)
}

// RequesterLease reads one lease.
func (t *Tx) RequesterLease(id proto.LeaseID) (RequesterLease, error) {
	return get[RequesterLease](t, "SELECT body FROM requester_leases WHERE id = ?", id.String())
}

// RequesterLeases reads all leases of a job, oldest first; of every job when it is empty.
func (t *Tx) RequesterLeases(job string) ([]RequesterLease, error) {
	return list[RequesterLease](t, "SELECT body FROM requester_leases WHERE ? = '' OR job = ? ORDER BY created, id", job, job)
}

// PutPayee writes the book of a channel that pays this node.
func (t *Tx) PutPayee(b *pay.Payee) error {
	body, err := encode(b)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO payees (id, payer, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
		b.ID().String(), b.Key.Payer.Hex(), body)
}

// Payees reads the books of all channels that pay this node.
func (t *Tx) Payees() ([]*pay.Payee, error) {
	return list[*pay.Payee](t, "SELECT body FROM payees ORDER BY id")
}

// PutPayer writes the book of a channel that this node pays from.
func (t *Tx) PutPayer(b *pay.Payer) error {
	body, err := encode(b)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO payers (id, payee, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
		b.ID().String(), b.Key.Payee.Hex(), body)
}

// Payers reads the books of all channels that this node pays from.
func (t *Tx) Payers() ([]*pay.Payer, error) {
	return list[*pay.Payer](t, "SELECT body FROM payers ORDER BY id")
}

// UseNonce remembers the nonce of terms until they expire, and forgets those
// that have; ErrExists when it was used before.
func (t *Tx) UseNonce(nonce proto.Hash, expires, now time.Time) error {
	if err := t.exec("DELETE FROM nonces WHERE expires < ?", now.UnixMilli()); err != nil {
		return err
	}
	r, err := t.tx.ExecContext(t.ctx, "INSERT INTO nonces (nonce, expires) VALUES (?, ?) ON CONFLICT DO NOTHING",
		nonce.String(), expires.UnixMilli())
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(fmt.Errorf("nonce %s: %w", nonce, ErrExists), err)
	}
	return nil
}

// Meta reads a setting of the node; empty when it was never set.
func (t *Tx) Meta(key string) (string, error) {
	var v string
	err := t.tx.QueryRowContext(t.ctx, "SELECT value FROM meta WHERE key = ?", key).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("store: %w", err)
	}
	return v, nil
}

// SetMeta writes a setting of the node.
func (t *Tx) SetMeta(key, value string) error {
	return t.exec("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", key, value)
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
