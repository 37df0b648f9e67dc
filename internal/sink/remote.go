// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Entry is a record as it waits for a place that is reached by the network.
type Entry struct {
	// Line is the encoded record, without a newline at its end.
	Line []byte
	// ID is the record's event.id; who gets an entry twice knows it by that.
	ID       string
	Time     time.Time
	Severity finding.Severity
	Action   finding.Action
	Trap     finding.Trap
	// Alert is true where the record opens, raises or confirms.
	Alert bool
}

// Expendable entries may go where there is no room for all; see finding.Record.
func (e Entry) Expendable() bool { return e.Action.Expendable(e.Alert) }

// EntryOf encodes a record. The entry is the caller's.
func EntryOf(r *finding.Record, encoder Encoder) (Entry, error) {
	line, err := encoder.Append(nil, r)
	if err != nil {
		return Entry{}, fmt.Errorf("encode: %w", err)
	}
	for len(line) > 0 && line[len(line)-1] == '\n' {
		line = line[:len(line)-1]
	}
	return Entry{
		Line: line, ID: r.ID, Time: r.Time, Severity: r.Severity, Action: r.Action, Trap: r.Trap, Alert: r.Alert,
	}, nil
}

// Remote is a place that is reached by the network: it may be away for hours. One
// goroutine uses it at a time.
type Remote interface {
	// Name is what reports and metrics call it.
	Name() string
	// Send takes entries to their place, in order, and tells how many from the first
	// on need not be sent again. Where that is less than all, err says why: a
	// *Refusal where the first entry left over will never be taken, an error that
	// wraps a *Later where the place said when to come back, any other where it may
	// work the next time.
	Send(ctx context.Context, entries []Entry) (sent int, err error)
	// Close gives back what the remote holds.
	Close() error
}

// Refusal says that entries will never be taken: they are given up, and told as lost.
type Refusal struct {
	// Count is how many they are, where Send counted them as sent, since the place does
	// not say which; 0 means the first entry that is left over.
	Count uint64
	Err   error
}

// Error says why.
func (e *Refusal) Error() string { return "refused: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Refusal) Unwrap() error { return e.Err }

// Later says when the place wants to be tried again.
type Later struct {
	After time.Duration
	Err   error
}

// Error says why, and when.
func (e *Later) Error() string { return fmt.Sprintf("%v (try again in %s)", e.Err, e.After) }

// Unwrap gives the cause.
func (e *Later) Unwrap() error { return e.Err }

// AfterOf gives when an error wants to be tried again, 0 where it does not say.
func AfterOf(err error) time.Duration {
	if later := new(Later); errors.As(err, &later) {
		return later.After
	}
	return 0
}

// Refused tells whether an HTTP status blames what was sent: the same will never be
// taken. All else, a wrong password as well, is the operator's to mend.
func Refused(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

// RetryAfter reads the header of that name, seconds or a date (RFC 9110, section
// 10.2.3); 0 where it says nothing.
func RetryAfter(word string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(word); err == nil && seconds > 0 {
		return time.Duration(min(seconds, 1<<30)) * time.Second
	}
	if date, err := http.ParseTime(word); err == nil {
		return max(date.Sub(now), 0)
	}
	return 0
}
