package store

import (
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/lode-market/lode/proto"
)

// JobState is where a job stands for the one who asked for it. The numbers are
// stored and never reused.
type JobState uint8

// The states of a job.
const (
	JobSearching JobState = 1 // looking for a provider and making sure of the channel
	JobLeased    JobState = 2 // a provider has it; its lease tells more
	JobDone      JobState = 3 // ended by itself, with an exit code; its result is here
	JobFailed    JobState = 4 // it will not run, or did not end by itself: Error tells why
	JobCancelled JobState = 5
)

var jobStateNames = map[JobState]string{
	JobSearching: "searching", JobLeased: "leased", JobDone: "done", JobFailed: "failed", JobCancelled: "cancelled",
}

func (s JobState) String() string {
	if n, ok := jobStateNames[s]; ok {
		return n
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Ended reports whether nothing more happens in s.
func (s JobState) Ended() bool { return s == JobDone || s == JobFailed || s == JobCancelled }

// Job is what this node was asked to have run.
type Job struct {
	ID      string // local, short
	Name    string
	State   JobState
	Created time.Time
	Ended   time.Time
	// Canonical is the job's document, and CID its name.
	Canonical []byte
	CID       string
	// MaxPrice, Budget and MaxDuration are the user's limits; zero is none,
	// but for MaxDuration.
	MaxPrice    proto.Price
	Budget      proto.Amount
	MaxDuration time.Duration
	// Provider, when set, is the only account that may run it.
	Provider common.Address
	// Lease is the last lease that was tried.
	Lease    proto.LeaseID
	ExitCode int32
	// Result is the CID of the outputs, once they are known.
	Result string
	// Error says why a job failed, Code in a form for programs.
	Error string
	Code  string
	// Fault tells whose fault it is: the user's, the job's, the peer's, the
	// chain's or this program's own.
	Fault string
}

// PutJob writes a job, new or changed.
func (t *Tx) PutJob(j Job) error {
	body, err := encode(j)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO jobs (id, state, created, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body`,
		j.ID, uint8(j.State), j.Created.UnixMilli(), body)
}

// Job reads one job.
func (t *Tx) Job(id string) (Job, error) {
	return get[Job](t, "SELECT body FROM jobs WHERE id = ?", id)
}

// Jobs reads the newest jobs, at most n.
func (t *Tx) Jobs(n int) ([]Job, error) {
	return list[Job](t, "SELECT body FROM jobs ORDER BY created DESC, id LIMIT ?", n)
}

// LiveJobs reads the jobs that have not ended.
func (t *Tx) LiveJobs() ([]Job, error) {
	return list[Job](t, "SELECT body FROM jobs WHERE state IN (?, ?) ORDER BY created, id", uint8(JobSearching), uint8(JobLeased))
}
