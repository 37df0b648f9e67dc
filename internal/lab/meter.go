// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// meter counts what the traffic saw: the truth that findings are held against. It
// is safe for use by several goroutines.
type meter struct {
	mu        sync.Mutex
	ok        uint64
	errors    map[string]uint64
	sent      uint64
	finished  bool
	symptom   time.Time
	succeeded time.Time
}

func newMeter() *meter { return &meter{errors: map[string]uint64{}} }

// attempt counts one try of a client, by how it ended, and keeps when one last went
// well.
func (m *meter) attempt(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.ok++
		m.succeeded = time.Now()
		return
	}
	m.errors[errorName(err)]++
}

// strike notes the first moment at which the fault hurt.
func (m *meter) strike() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.symptom.IsZero() {
		m.symptom = time.Now()
	}
}

// send counts packets of a generator that gets no answers.
func (m *meter) send(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent += uint64(n)
}

// finish notes that a generator with an end has come to it.
func (m *meter) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finished = true
}

// reading is a meter at one moment.
type reading struct {
	OK, Failed, Sent uint64
	Finished         bool
	// Symptom is when the fault first hurt, Succeeded when a try last went well;
	// zero where that never was.
	Symptom, Succeeded time.Time
	errors             map[string]uint64
}

func (m *meter) read() reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := reading{OK: m.ok, Sent: m.sent, Finished: m.finished, Symptom: m.symptom, Succeeded: m.succeeded}
	r.errors = make(map[string]uint64, len(m.errors))
	for name, n := range m.errors {
		r.errors[name] = n
		r.Failed += n
	}
	return r
}

// count gives how many tries ended with an error of that name: "EADDRNOTAVAIL".
func (r reading) count(name string) uint64 { return r.errors[name] }

// String tells a reading in words: "512 ok, 37 EADDRNOTAVAIL".
func (r reading) String() string {
	var words []string
	if r.Sent > 0 {
		words = append(words, fmt.Sprintf("%d packets sent", r.Sent))
	}
	if r.OK > 0 || r.Sent == 0 {
		words = append(words, fmt.Sprintf("%d ok", r.OK))
	}
	names := make([]string, 0, len(r.errors))
	for name := range r.errors {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		words = append(words, fmt.Sprintf("%d %s", r.errors[name], name))
	}
	return strings.Join(words, ", ")
}

func errorName(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// atLeast is a proof that something happened often enough to count.
func atLeast(what string, got, want uint64) error {
	if got < want {
		return fmt.Errorf("only %d %s, not %d: the scenario did not happen", got, what, want)
	}
	return nil
}
