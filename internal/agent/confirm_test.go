// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/trapbpf/trapbpf/pkg/trace"
)

const narrow = 1387

// blackHole gives a client and the address of a server that reads what comes, but whose
// kernel drops packets of more than narrow bytes without a word.
func blackHole(t *testing.T) (*kerneltest.Netns, string) {
	t.Helper()
	client, server := kerneltest.Namespace(t), kerneltest.Namespace(t)
	kerneltest.Cable(t,
		kerneltest.End{Netns: client, Name: "c", Prefix: netip.MustParsePrefix("10.64.1.1/24")},
		kerneltest.End{Netns: server, Name: "s", Prefix: netip.MustParsePrefix("10.64.1.2/24")})
	var listener net.Listener
	server.Do(t, func() (err error) {
		if err := dropLarge(); err != nil {
			return err
		}
		listener, err = net.Listen("tcp", "10.64.1.2:0")
		return err
	})
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, conn)
		}
	}()
	return client, listener.Addr().String()
}

func dropLarge() error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "narrow"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "in", Table: table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityFilter,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{
		&expr.Meta{Key: expr.MetaKeyLEN, Register: 1},
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpGt, Register: 1, Data: binaryutil.BigEndian.PutUint32(narrow)},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	return conn.Flush()
}

// push sends more than fits into one packet, and keeps the connection.
func push(t *testing.T, from *kerneltest.Netns, to string) {
	t.Helper()
	from.Do(t, func() error {
		conn, err := net.DialTimeout("tcp", to, 5*time.Second)
		if err != nil {
			return err
		}
		t.Cleanup(func() { conn.Close() })
		_, err = conn.Write(make([]byte, 20_000))
		return err
	})
}

// line writes a record as the sink does.
func line(t *testing.T, r *finding.Record) string {
	t.Helper()
	text, err := finding.AppendJSON(nil, r)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// Nothing but the stuck connection is there, so that only the probe can confirm.
func TestSuspicionIsConfirmedByAProbeAndAReplayRepeatsIt(t *testing.T) {
	kerneltest.Exclusive(t)
	client, server := blackHole(t)
	var recording bytes.Buffer
	writer, err := trace.NewWriter(&recording, trace.Header{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	confirmed := make(chan *finding.Record, 16)
	ready := make(chan struct{})
	a, err := Open(Config{
		Traps: []finding.Trap{finding.MTUBlackhole}, Netns: []string{client.Name}, Confirm: true, Recording: writer,
		Log: zaptest.NewLogger(t, zaptest.Level(zap.InfoLevel)), Ready: func() { close(ready) },
		Record: func(r *finding.Record) {
			told = append(told, line(t, r))
			if r.Status == finding.Confirmed {
				confirmed <- r
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	<-ready
	push(t, client, server)
	select {
	case r := <-confirmed:
		if r.Trap != finding.MTUBlackhole || r.MTU.Path != narrow {
			t.Errorf("confirmed %s with %+v", r.Message, r.MTU)
		}
	case <-time.After(15 * time.Second):
		t.Error("not confirmed")
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if again := replayAll(t, &recording); fmt.Sprint(again) != fmt.Sprint(told) {
		t.Errorf("the replay told\n%s\nand the agent\n%s", again, told)
	}
}

func replayAll(t *testing.T, from io.Reader) []string {
	t.Helper()
	reader, err := trace.NewReader(from)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	e := engine.New(all.Detectors(finding.MTUBlackhole), 0, engine.Out{Record: func(r *finding.Record) { told = append(told, line(t, r)) }})
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return told
		}
		if err != nil {
			t.Fatal(err)
		}
		e.Observe(ev)
	}
}

func TestProbesAreOneAMinuteForEachDestination(t *testing.T) {
	c := newConfirmer(&Agent{config: Config{Confirm: true}})
	now := time.Unix(1000, 0)
	here := probed{1, netip.MustParseAddr("10.0.0.1")}
	for _, step := range []struct {
		p    probed
		at   time.Duration
		want bool
	}{
		{here, 0, true},
		{here, 59 * time.Second, false},
		{probed{1, netip.MustParseAddr("10.0.0.2")}, 59 * time.Second, true},
		{probed{2, here.peer}, 59 * time.Second, true},
		{here, 60 * time.Second, true},
		{here, 90 * time.Second, false},
	} {
		if got := c.due(step.p, now.Add(step.at)); got != step.want {
			t.Errorf("%v after %s: due %v", step.p, step.at, got)
		}
	}
	for i := range 2 * maxProbed {
		c.due(probed{netns: event.Netns(10 + i)}, now.Add(2*time.Minute))
	}
	if len(c.last) > maxProbed {
		t.Errorf("%d destinations are kept", len(c.last))
	}
	forbidden := newConfirmer(&Agent{})
	forbidden.ask(event.Want{Netns: 9, To: here.peer})
	if len(forbidden.wants) != 0 {
		t.Error("a probe was taken up without --confirm")
	}
}

func TestWhatTheAgentDoesItselfIsNoTrouble(t *testing.T) {
	ours, others := event.Owner{PID: uint32(os.Getpid())}, event.Owner{PID: 1}
	for _, e := range []event.Event{&event.Dial{Owner: ours}, &event.Refusal{Owner: ours}} {
		if !own(e) {
			t.Errorf("%s of our own counts", e.Kind())
		}
	}
	for _, e := range []event.Event{&event.Dial{Owner: others}, &event.Refusal{Owner: others}, &event.Tick{}} {
		if own(e) {
			t.Errorf("%s of another's does not count", e.Kind())
		}
	}
}
