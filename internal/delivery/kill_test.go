// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// kills is how often the agent is killed.
	kills = 20
	// pace is how long after the other destinations run out of ports, one at a time; each is
	// dialled again in vain by the time that the next lasting ones have.
	pace = 5 * time.Millisecond
	// lasting is how many of them are out of ports at once.
	lasting = 100
	// firstPort is the first destination's.
	firstPort = 1001
)

const inAStorm = `metrics: ""
state-directory: DIR/state
netns: [NETNS]
quiet-period: 1s
sinks:
  console: {stdout: {}}
  file: {file: {path: DIR/out}}
  rsyslog: {syslog: {address: "tls://127.0.0.1:SYSLOG", tls: {ca: CERTS/server.pem, certificate: CERTS/client.pem, key: CERTS/client.key}}}
  siem: {http: {url: "URL", timeout: 1s}}
`

// blow runs the storm until stop is closed, and gives how many destinations were in it. All
// of them have ports again in the end.
func (c *crowd) blow(stop <-chan struct{}) (count int, err error) {
	err = c.netns.Try(func() error {
		clock := time.NewTicker(pace)
		defer clock.Stop()
		for ; ; count++ {
			select {
			case <-stop:
				for n := range count {
					c.leave(firstPort + n)
				}
				return nil
			case <-clock.C:
			}
			if err := c.come(firstPort + count); err != nil {
				return err
			}
			if old := count - lasting; old >= 0 {
				c.leave(firstPort + old)
			}
			if seen := count - lasting/2; seen >= 0 {
				if err := c.knock(firstPort + seen); err != nil {
					return err
				}
			}
		}
	})
	return count, err
}

// life is what a receiver heard of one finding.
type life struct{ opened, resolved bool }

// lives takes records apart by their finding. Each must be whole, and what comes twice must
// be the same.
func lives(t *testing.T, where string, lines []string) (found map[string]life, twice int) {
	t.Helper()
	found = map[string]life{}
	seen := map[string]string{}
	for _, line := range lines {
		var of finding.Document
		if err := json.Unmarshal([]byte(line), &of); err != nil {
			t.Fatalf("%s has no whole record: %v: %.300q", where, err, line)
		}
		if of.Event.Dataset != "trapbpf.finding" {
			continue
		}
		if before, again := seen[of.Event.ID]; again {
			twice++
			if before != line {
				t.Errorf("%s has two records of id %s:\n%s\n%s", where, of.Event.ID, before, line)
			}
			continue
		}
		seen[of.Event.ID] = line
		id := of.Trapbpf.Finding.ID
		one := found[id]
		one.opened = one.opened || of.Event.Action == finding.Opened
		one.resolved = one.resolved || of.Event.Action == finding.Closed
		found[id] = one
	}
	return found, twice
}

// An agent that is killed twenty times while findings open and resolve, its endpoint being
// away now and then and its file moved, has told each of them whole to everybody.
func TestAgentThatIsKilledInAStormTellsEveryFinding(t *testing.T) {
	kerneltest.Exclusive(t)
	dir, c, siem, r := t.TempDir(), newCrowd(t), &taker{}, newRsyslog(t, `queue.type="LinkedList"`)
	server := httptest.NewServer(siem)
	defer server.Close()
	a := newAgent(t, dir, strings.NewReplacer("NETNS", c.netns.Path, "URL", server.URL, "SYSLOG", r.port, "CERTS", filepath.Dir(r.out)).Replace(inAStorm))
	r.start()
	stop, over := make(chan struct{}), make(chan struct{})
	var calm sync.Once
	end := func() { calm.Do(func() { close(stop) }); <-over }
	var destinations int
	go func() {
		defer close(over)
		var err error
		if destinations, err = c.blow(stop); err != nil {
			t.Error(err)
		}
	}()
	defer end()
	for n := range kills {
		siem.be(n%3 == 1)
		before := len(a.fileLines())
		a.start()
		kerneltest.Within(t, patience, "records in the file", func() bool { return len(a.fileLines()) >= before+10+17*n })
		a.end(syscall.SIGKILL)
		if n%5 == 0 {
			a.moveFile(n)
		}
	}
	siem.be(false)
	a.start()
	end()
	state := filepath.Join(dir, "state", ledger.ServiceName)
	kerneltest.Within(t, patience, "every finding to be resolved", func() bool {
		kept, err := ledger.Read(state)
		return err == nil && !slices.ContainsFunc(kept.Records, func(r *finding.Record) bool { return r.Action != finding.Closed })
	})
	if code := a.end(syscall.SIGTERM); code != 0 {
		t.Errorf("the agent ended with %d", code)
	}
	a.judge(r, siem)
	t.Logf("%d destinations", destinations)
}

// judge holds what the receivers have against each other: a finding that one of them heard
// of, all have heard of, from its beginning to its end.
func (a *agent) judge(r *rsyslog, siem *taker) {
	t := a.t
	t.Helper()
	all := map[string]map[string]life{}
	ids := map[string]bool{}
	for where, lines := range map[string]func() []string{
		"file": a.fileLines, "rsyslog": func() []string { return r.records(t) }, "siem": siem.taken,
	} {
		found, twice := lives(t, where, lines())
		t.Logf("%s: %d findings, %d records twice", where, len(found), twice)
		all[where] = found
		for id := range found {
			ids[id] = true
		}
	}
	for where, found := range all {
		for id := range ids {
			if one := found[id]; !one.opened || !one.resolved {
				t.Errorf("%s heard of finding %s: opened %v, resolved %v", where, id, one.opened, one.resolved)
			}
		}
	}
}
