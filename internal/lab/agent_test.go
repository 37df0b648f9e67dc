// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// eventually bounds what a test waits for.
const eventually = 20 * time.Second

// pretender starts a shell script in the agent's place. It finds its arguments as
// the agent would, and ends at the latest with the test.
func pretender(t *testing.T, script string) *agent {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	a, err := startAgent(path, false, "tb-x")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = a.cmd.Process.Kill()
		<-a.exited
	})
	return a
}

// recordLine gives a record as the agent writes it.
func recordLine(t *testing.T, cause finding.Cause, action finding.Action) string {
	t.Helper()
	r := finding.Record{Action: action, ID: "r", Time: time.Unix(1, 0), Alert: action == finding.Opened}
	r.Finding = finding.Finding{
		ID: "f", Trap: finding.AsymmetricRouting, Cause: cause, Status: finding.Confirmed,
		Severity: finding.High, Confidence: 90, Message: "a message",
	}
	line, err := finding.AppendJSON(nil, &r)
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

// obey makes a script end well on SIGTERM, linger then waits for that: in small
// steps, since a shell does not look while it sleeps.
const (
	obey   = "trap 'exit 0' TERM\n"
	linger = "i=0\nwhile [ $i -lt 2000 ]; do i=$((i+1)); sleep 0.01; done\n"
)

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), eventually)
	t.Cleanup(cancel)
	return ctx
}

func TestAgentTellsRecordsBeforeAndAfterTheyAreAwaited(t *testing.T) {
	opened := recordLine(t, rpFilterStrict, finding.Opened)
	closed := recordLine(t, rpFilterStrict, finding.Closed)
	a := pretender(t, fmt.Sprintf("%secho 'not a record'\necho '%s'\necho 'plain' >&2\necho '{\"message\":\"watching\"}' >&2\n"+
		"echo '%s'\n%s", obey, opened, closed, linger))
	if err := a.ready(within(t)); err != nil {
		t.Fatal(err)
	}
	for _, action := range []finding.Action{finding.Closed, finding.Opened} {
		got, err := a.await(within(t), func(t telling) bool { return t.doc.Event.Action == action })
		if err != nil || got.doc.Event.Action != action {
			t.Fatalf("await %s: %v", action, err)
		}
	}
	if _, err := a.stop(); err != nil {
		t.Error(err)
	}
	if n := len(a.all()); n != 2 {
		t.Errorf("%d records, not 2", n)
	}
	if !slices.Equal(a.strange, []string{"not a record"}) {
		t.Errorf("strange lines: %q", a.strange)
	}
}

func TestAgentIsToldItsNamespaceAndOutput(t *testing.T) {
	a := pretender(t, "echo \"$@\"\n")
	<-a.exited
	const want = "watch --output json --netns tb-x --quiet-period 3s"
	if got := strings.Join(a.strange, "\n"); got != want {
		t.Errorf("arguments %q, not %q", got, want)
	}
}

func TestAgentThatDiesEarlyIsAnErrorWithItsLog(t *testing.T) {
	a := pretender(t, "echo 'no BTF here' >&2\nexit 5\n")
	if err := a.ready(within(t)); err == nil || !strings.Contains(err.Error(), "no BTF here") {
		t.Errorf("ready says %v", err)
	}
	_, err := a.await(within(t), func(telling) bool { return true })
	if !errors.Is(err, errEnded) {
		t.Errorf("await says %v", err)
	}
	if _, err := a.stop(); !errors.Is(err, errEnded) {
		t.Errorf("stop says %v", err)
	}
}

func TestAgentThatEndsBadlyIsAnError(t *testing.T) {
	a := pretender(t, "trap 'exit 1' TERM\necho '{\"message\":\"watching\"}' >&2\n"+linger)
	if err := a.ready(within(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.stop(); err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("stop says %v", err)
	}
}

func TestAgentThatDoesNotStopIsKilled(t *testing.T) {
	a := pretender(t, "trap '' TERM\necho '{\"message\":\"watching\"}' >&2\n"+linger)
	if err := a.ready(within(t)); err != nil {
		t.Fatal(err)
	}
	took, err := a.stop()
	if err == nil || took < stopLimit {
		t.Errorf("stopped after %s: %v", took, err)
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	a := pretender(t, obey+linger)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.await(ctx, func(telling) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Errorf("await says %v", err)
	}
}
