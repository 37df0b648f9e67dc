// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

const (
	// full is how many findings an agent holds open at most.
	full = 1000
	// mostMemory is what it may take for them and for all its sinks: 60 MB.
	mostMemory = 60_000_000
)

const everySink = `metrics: 127.0.0.1:METRICS
state-directory: DIR/state
netns: [NETNS]
sinks:
  console: {stdout: {}}
  file: {file: {path: DIR/out, max-size: 1MiB, keep: 2}}
  journal: {journald: {}}
  rsyslog: {syslog: {address: "tls://127.0.0.1:SYSLOG", tls: {ca: CERTS/server.pem, certificate: CERTS/client.pem, key: CERTS/client.key}}}
  ndjson: {http: {url: "URL/ndjson"}}
  splunk: {encoding: ocsf, http: {url: "URL/splunk", body: splunk}}
  elastic: {http: {url: "URL/elastic", body: elastic}}
  otlp: {otlp: {endpoint: "URL"}}
  grpc: {otlp: {endpoint: "http://127.0.0.1:1", protocol: grpc}}
`

// memory gives a number of /proc/PID/status in bytes: VmRSS, VmHWM.
func (a *agent) memory(key string) int {
	a.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.command.Process.Pid))
	if err != nil {
		a.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); words[0] == key+":" {
			n, err := strconv.Atoi(words[1])
			if err != nil {
				a.t.Fatal(err)
			}
			return n << 10
		}
	}
	a.t.Fatalf("the agent has no %s: it has ended", key)
	return 0
}

// told counts the records of an action among lines.
func told(lines []string, action string) (count int) {
	for _, line := range lines {
		if strings.Contains(line, `"`+action+`"`) {
			count++
		}
	}
	return count
}

// The real agent, with a sink of each kind, one of them dead, and as many open findings as
// it can hold, all of them seen again and told again.
func TestThousandFindingsAndEverySinkFitIn60MB(t *testing.T) {
	kerneltest.Exclusive(t)
	dir, c, lines := t.TempDir(), newCrowd(t), &taker{}
	ownRun(t)
	newDaemon(t, "/lib/systemd/systemd-journald").up()
	r := newRsyslog(t, `queue.type="LinkedList"`)
	r.start()
	mux := http.NewServeMux()
	mux.Handle("/ndjson", lines)
	mux.Handle("/splunk", &taker{})
	mux.Handle("/elastic", &taker{})
	mux.Handle("/v1/logs", &store{names: map[string]int{}})
	server := httptest.NewServer(mux)
	defer server.Close()
	a := newAgent(t, dir, strings.NewReplacer("NETNS", c.netns.Path, "URL", server.URL, "METRICS", freePort(t),
		"SYSLOG", r.port, "CERTS", filepath.Dir(r.out)).Replace(everySink))
	a.start()
	idle := a.memory("VmRSS")
	c.netns.Do(t, func() error { return c.all(c.come) })
	kerneltest.Within(t, patience, "every finding", func() bool { return told(lines.taken(), "finding-opened") >= full })
	for round := range 2 {
		c.netns.Do(t, func() error { return c.all(c.knock) })
		kerneltest.Within(t, patience, "every finding to be told again", func() bool {
			return told(lines.taken(), "finding-updated") >= (round+1)*full
		})
	}
	now, most := a.memory("VmRSS"), a.memory("VmHWM")
	t.Logf("%.1f MB are resident before the first finding, %.1f with all of them, %.1f at most", mb(idle), mb(now), mb(most))
	if most > mostMemory {
		t.Error("that is more than 60 MB")
	}
	if lost := told(lines.taken(), "updates-dropped") + told(lines.taken(), "records-lost"); lost > 0 {
		t.Errorf("%d records tell that something was lost", lost)
	}
	if code := a.end(syscall.SIGTERM); code != 0 && code != 1 { // 1: the dead sink's records stay behind
		t.Errorf("the agent ended with %d", code)
	}
}

func mb(bytes int) float64 { return float64(bytes) / 1e6 }

// all does something for as many destinations as there can be findings.
func (c *crowd) all(do func(port int) error) error {
	for n := range full {
		if err := do(firstPort + n); err != nil {
			return err
		}
	}
	return nil
}
