// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/internal/metric"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// stormFolder is the variable that makes this test's program the service in a storm.
const stormFolder = "TRAPBPF_STORM_TEST"

// openFindings are open at once where there are many sinks.
const openFindings = 1000

func TestMain(m *testing.M) {
	if dir := os.Getenv(stormFolder); dir != "" {
		if err := weather(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// weather is the service with all that it has behind the engine, and findings without end:
// 2,500 records a second. What it has told that must not be lost it says on standard output.
func weather(dir string) error {
	c, err := config.Load(config.Source{Path: filepath.Join(dir, "main.yaml")})
	if err != nil {
		return err
	}
	s, left, err := engineless(c)
	if err != nil {
		return err
	}
	for _, r := range left.Open {
		fmt.Println(s.rain(r.Finding.ID, finding.Closed, r.Sequence+1))
	}
	if len(c.Sinks) > 2 {
		s.drizzle()
	}
	pace := time.NewTicker(time.Millisecond)
	for n := uint64(1); ; n++ {
		<-pace.C
		id := fmt.Sprintf("%d-%d", os.Getpid(), n)
		fmt.Println(s.rain(id, finding.Opened, 1))
		s.rain(id, finding.Updated, 2)
		if n%2 == 0 { // the others stay open, for the next run to resolve
			fmt.Println(s.rain(id, finding.Closed, 3))
		}
	}
}

// drizzle opens a thousand findings at once and then tells of them again, twice as often
// as an engine would: each every 5 s.
func (s *Service) drizzle() {
	fmt.Println("begins")
	for n := range uint64(openFindings) {
		s.rain(fmt.Sprint(n), finding.Opened, n+1)
	}
	pace := time.NewTicker(5 * time.Second / openFindings)
	for n := uint64(0); ; n++ {
		<-pace.C
		s.rain(fmt.Sprint(n%openFindings), finding.Updated, openFindings+n+1)
		if n == openFindings {
			fmt.Println("all were told twice")
		}
	}
}

// engineless is a service that begins as Run does, but without an agent.
func engineless(c config.Config) (*Service, ledger.Left, error) {
	var left ledger.Left
	s := &Service{
		options: Options{Stdout: io.Discard, Version: "test"}, config: c, log: zap.NewNop(), broken: func() {},
		notices: newNotices(finding.Host{}),
	}
	routes, err := s.routes(c)
	if err != nil {
		return nil, left, err
	}
	if err := startAll(routes); err != nil {
		return nil, left, err
	}
	if left, err = s.openLedger(); err != nil {
		return nil, left, err
	}
	s.fanout = sink.NewFanout(s.report, routes...)
	s.metrics = metric.New("test", metric.Source{Agent: func() agent.Stand { return agent.Stand{} }, Sinks: s.fanout.Stand})
	for _, r := range left.Untold {
		s.fanout.Write(r)
	}
	return s, left, nil
}

// resume runs the service here, until it is stopped in order.
func resume(t *testing.T, dir string) (stop func()) {
	t.Helper()
	c, err := config.Load(config.Source{Path: filepath.Join(dir, "main.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := engineless(c)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := s.flush(); err != nil {
			t.Error(err)
		}
	}
}

// rain records one record and gives its id.
func (s *Service) rain(id string, action finding.Action, sequence uint64) string {
	r := sample.RPFilter(action)
	r.Finding.ID, r.Sequence, r.Alert = id, sequence, action == finding.Opened
	r.ID = fmt.Sprintf("%s-%d", id, sequence)
	s.record(r)
	return r.ID
}

// basin is an endpoint that is away now and then, and takes lines.
type basin struct {
	mu    sync.Mutex
	away  bool
	lines []string
	// arrived are the ids of the first seen lines: lacks's own.
	seen    int
	arrived map[string]bool
}

// ServeHTTP implements http.Handler.
func (b *basin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil || b.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	b.lines = append(b.lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
}

// strike runs the service until it has told so many records, and kills it.
func strike(t *testing.T, dir string, records int) (told []string) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), stormFolder+"="+dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	words := bufio.NewScanner(out)
	for words.Scan() {
		told = append(told, words.Text())
		if len(told) == records {
			_ = c.Process.Kill() // what it says until it is dead is read, too
		}
	}
	_ = c.Wait() // killed
	if len(told) < records {
		t.Fatalf("it ended by itself after %d records", len(told))
	}
	return told
}

// ids gives the event.id of each line, which must be a whole record.
func ids(t *testing.T, lines []string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, line := range lines {
		var of struct{ Event struct{ ID string } }
		if err := json.Unmarshal([]byte(line), &of); err != nil {
			t.Fatalf("%v: %.200q", err, line)
		}
		found[of.Event.ID] = true
	}
	return found
}

func fileLines(t *testing.T, dir string) []string {
	t.Helper()
	var lines []string
	paths, err := filepath.Glob(filepath.Join(dir, "out*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

const inAStorm = `state-directory: DIR/state
sinks:
  file: {file: {path: DIR/out}}
  siem: {spool: 16MiB, http: {url: URL, timeout: 1s}}
`

// A service that is killed twenty times, with its file moved away and its endpoint away
// in between, has told every record that opened or resolved a finding.
func TestKillsInAStormLoseNothing(t *testing.T) {
	b, dir := &basin{}, t.TempDir()
	server := httptest.NewServer(b)
	defer server.Close()
	text := strings.NewReplacer("DIR", dir, "URL", server.URL).Replace(inAStorm)
	if err := os.WriteFile(filepath.Join(dir, "main.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var told []string
	for n := range 20 {
		b.mu.Lock()
		b.away = n%3 == 1
		b.mu.Unlock()
		told = append(told, strike(t, dir, 20+23*n)...)
		if n%4 == 0 {
			if err := os.Rename(filepath.Join(dir, "out"), filepath.Join(dir, fmt.Sprintf("out.%d", n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.mu.Lock()
	b.away = false
	b.mu.Unlock()
	told = append(told, strike(t, dir, 1000)...)
	stop := resume(t, dir) // what the one before left in its ledger and spool, this one tells
	kerneltest.Within(t, patience, "every record at the endpoint", func() bool { return b.lacks(t, told) == 0 })
	stop()
	inFile, missing := ids(t, fileLines(t, dir)), 0
	for _, id := range told {
		if !inFile[id] {
			missing++
			t.Logf("%s is not in the file", id)
		}
	}
	if missing > 0 {
		t.Errorf("%d of %d records that must not be lost are", missing, len(told))
	}
	t.Logf("%d records that open or resolve in 21 runs", len(told))
}

// lacks counts those of the records that did not arrive, and holds that all lines are
// whole.
func (b *basin) lacks(t *testing.T, told []string) (missing int) {
	t.Helper()
	b.mu.Lock()
	fresh := b.lines[b.seen:]
	b.mu.Unlock() // it takes more lines while these are read
	b.seen += len(fresh)
	if b.arrived == nil {
		b.arrived = map[string]bool{}
	}
	maps.Copy(b.arrived, ids(t, fresh))
	for _, id := range told {
		if !b.arrived[id] {
			missing++
		}
	}
	return missing
}
