// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// quietPeriod is how long the agent waits for a fault to show itself again.
	quietPeriod = 3 * time.Second
	// stopLimit is the agent's promise from SIGTERM to its exit.
	stopLimit = 3 * time.Second
	// logTail is how many lines of the agent's log are kept for an error.
	logTail = 20
)

// telling is one finding record, with the moment it could be read.
type telling struct {
	doc *finding.Document
	raw json.RawMessage
	at  time.Time
}

// agent is the agent under test: the real binary in a process of its own.
type agent struct {
	cmd      *exec.Cmd
	watching chan struct{} // closed once every hook is attached
	exited   chan struct{} // closed once the process is gone and its output read

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced with each telling
	tellings []telling
	strange  []string // lines on stdout that are no records
	log      []string
	err      error // how the process ended
}

// startAgent runs the binary, confined to some namespaces, with active probes where
// confirm is true. It is killed if this
// process dies; otherwise the caller stops it. Its process group is its own, so
// that Ctrl-C reaches the lab alone, which then stops the agent in order.
func startAgent(binary string, confirm bool, netns ...string) (*agent, error) {
	args := []string{"watch", "--output", "json"}
	for _, name := range netns {
		args = append(args, "--netns", name)
	}
	args = append(args, "--quiet-period", quietPeriod.String())
	if confirm {
		args = append(args, "--confirm")
	}
	a := &agent{
		cmd:      exec.Command(binary, args...),
		watching: make(chan struct{}), exited: make(chan struct{}), changed: make(chan struct{}),
	}
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open the agent's output: %w", err)
	}
	stderr, err := a.cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("open the agent's log: %w", err)
	}
	if err := a.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { a.readRecords(stdout) })
	readers.Go(func() { a.readLog(stderr) })
	go func() {
		readers.Wait()
		a.ended(a.cmd.Wait())
	}()
	return a, nil
}

func (a *agent) ended(err error) {
	a.mu.Lock()
	a.err = err
	a.mu.Unlock()
	close(a.exited)
}

func (a *agent) readRecords(from io.Reader) {
	eachLine(from, func(line []byte) {
		doc, err := finding.ParseRecord(line)
		t := telling{doc: doc, raw: slices.Clone(line), at: time.Now()}
		a.mu.Lock()
		defer a.mu.Unlock()
		if err != nil {
			a.strange = append(a.strange, string(line))
			return
		}
		a.tellings = append(a.tellings, t)
		close(a.changed)
		a.changed = make(chan struct{})
	})
}

func (a *agent) readLog(from io.Reader) {
	var ready sync.Once
	eachLine(from, func(line []byte) {
		var entry struct{ Message string }
		if json.Unmarshal(line, &entry) == nil && entry.Message == "watching" {
			ready.Do(func() { close(a.watching) })
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.log) == logTail {
			a.log = a.log[1:]
		}
		a.log = append(a.log, string(line))
	})
}

// eachLine reads to the end, whatever the lines hold, so that the agent never
// blocks on a full pipe.
func eachLine(from io.Reader, f func([]byte)) {
	reader := bufio.NewReader(from)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			f(bytes.TrimSuffix(line, []byte{'\n'}))
		}
		if err != nil {
			return
		}
	}
}

// ready waits until no event is missed any more.
func (a *agent) ready(ctx context.Context) error {
	select {
	case <-a.watching:
		return nil
	case <-a.exited:
		return fmt.Errorf("the agent ended before it watched: %w: %s", a.exitError(), a.logText())
	case <-ctx.Done():
		return fmt.Errorf("wait for the agent to watch: %w: %s", ctx.Err(), a.logText())
	}
}

// errEnded says that nothing more will come.
var errEnded = errors.New("the agent has ended")

// await gives the first telling that matches, at once where it came already.
func (a *agent) await(ctx context.Context, match func(telling) bool) (telling, error) {
	for next := 0; ; {
		a.mu.Lock()
		news, changed := a.tellings[next:], a.changed
		a.mu.Unlock()
		if i := slices.IndexFunc(news, match); i >= 0 {
			return news[i], nil
		}
		next += len(news)
		select {
		case <-changed:
		case <-ctx.Done():
			return telling{}, ctx.Err()
		case <-a.exited:
			if len(a.all()) == next {
				return telling{}, fmt.Errorf("%w: %s", errEnded, a.logText())
			}
		}
	}
}

// all gives the tellings so far.
func (a *agent) all() []telling {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.tellings)
}

func (a *agent) exitError() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

func (a *agent) logText() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.log, "\n")
}

// stop asks the agent to end as a service manager does, and tells how long that
// took. One that does not end is killed after twice the time it has.
func (a *agent) stop() (time.Duration, error) {
	begun := time.Now()
	select {
	case <-a.exited:
		return 0, fmt.Errorf("%w by itself: %w: %s", errEnded, a.exitError(), a.logText())
	default:
	}
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, fmt.Errorf("stop the agent: %w", err)
	}
	kill := time.AfterFunc(2*stopLimit, func() { _ = a.cmd.Process.Kill() })
	defer kill.Stop()
	<-a.exited
	took := time.Since(begun)
	if err := a.exitError(); err != nil {
		return took, fmt.Errorf("the agent did not end well: %w: %s", err, a.logText())
	}
	return took, nil
}
