// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// realLimit is how long a scenario may take to prove itself without an agent.
const realLimit = 30 * time.Second

// TestScenariosHappen plays every scenario without an agent: the fault or its
// innocent look-alike must be there whether anybody watches or not.
func TestScenariosHappen(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(s.Name)
			defer func() {
				if err := n.close(); err != nil {
					t.Error(err)
				}
				expectNothingLeft(t, n.nonce)
			}()
			st := s.build(n)
			if n.err != nil {
				t.Fatal(n.err)
			}
			playUntilProven(t, st)
		})
	}
}

func playUntilProven(t *testing.T, st stage) {
	ctx, cancel := context.WithCancel(t.Context())
	m := newMeter()
	done := make(chan error, 1)
	go func() { done <- st.traffic(ctx, m) }()
	begun := time.Now()
	for st.proof(m.read()) != nil && time.Since(begun) < realLimit {
		select {
		case err := <-done:
			t.Fatalf("the traffic ended by itself: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err := st.proof(m.read()); err != nil {
		t.Errorf("after %s: %v (%s)", realLimit, err, m.read())
	}
	t.Logf("proven after %s: %s", time.Since(begun).Round(time.Millisecond), m.read())
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the traffic broke: %v", err)
	}
}

func expectNothingLeft(t *testing.T, nonce string) {
	t.Helper()
	left, err := leftovers(nonce)
	if err != nil {
		t.Error(err)
	}
	for _, what := range left {
		t.Errorf("left behind: %s", what)
	}
}
