package store

import (
	"context"
	"database/sql"
	"fmt"
)

// schema holds the steps from each version to the next. A step that was released
// never changes: old files are upgraded by the steps that they have not seen.
var schema = []string{
	// 1: the first release.
	`CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
	 CREATE TABLE provider_leases (id TEXT PRIMARY KEY, state INTEGER NOT NULL, channel TEXT NOT NULL,
	   created INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0,
	   released INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL) STRICT;
	 CREATE TABLE renters (channel TEXT NOT NULL, peer TEXT NOT NULL, PRIMARY KEY (channel, peer)) STRICT, WITHOUT ROWID;
	 CREATE INDEX provider_leases_by_state ON provider_leases (state);
	 CREATE TABLE requester_leases (id TEXT PRIMARY KEY, state INTEGER NOT NULL, job TEXT NOT NULL,
	   created INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
	 CREATE INDEX requester_leases_by_job ON requester_leases (job);
	 CREATE INDEX requester_leases_by_state ON requester_leases (state);
	 CREATE TABLE payees (id TEXT PRIMARY KEY, payer TEXT NOT NULL, body TEXT NOT NULL) STRICT;
	 CREATE TABLE payers (id TEXT PRIMARY KEY, payee TEXT NOT NULL, body TEXT NOT NULL) STRICT;
	 CREATE TABLE jobs (id TEXT PRIMARY KEY, state INTEGER NOT NULL, created INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
	 CREATE TABLE nonces (nonce TEXT PRIMARY KEY, expires INTEGER NOT NULL) STRICT;
	 CREATE INDEX nonces_by_expiry ON nonces (expires);
	 CREATE TABLE transactions (hash TEXT PRIMARY KEY, account TEXT NOT NULL, intent TEXT NOT NULL, nonce INTEGER NOT NULL,
	   state INTEGER NOT NULL, block INTEGER NOT NULL, raw BLOB NOT NULL) STRICT;
	 CREATE INDEX transactions_by_intent ON transactions (account, intent);
	 CREATE INDEX transactions_by_state ON transactions (account, state, nonce);`,
}

// migrate applies what the file has not seen, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version > len(schema) {
		return fmt.Errorf("%w: %d, this program knows %d; use the program that wrote it", ErrNewer, version, len(schema))
	}
	for ; version < len(schema); version++ {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // after Commit it does nothing
		if _, err := tx.ExecContext(ctx, schema[version]); err != nil {
			return fmt.Errorf("upgrade to version %d: %w", version+1, err)
		}
		// PRAGMA takes no parameters.
		if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version+1)); err != nil {
			return fmt.Errorf("upgrade to version %d: %w", version+1, err)
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("upgrade to version %d: %w", version+1, err)
		}
	}
	return nil
}
