// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	loadName      = "api.shop.test"
	loadQuestions = 40_000
	loadWindow    = 32 // questions that wait for their answer at once
)

// runDnsmasq runs a real resolver on a namespace's loopback.
func runDnsmasq(t testing.TB, ns *kerneltest.Netns) {
	t.Helper()
	binary, err := exec.LookPath("dnsmasq")
	if err != nil {
		t.Skip("dnsmasq is not installed: apt-get install dnsmasq-base")
	}
	cmd := exec.Command(binary, "--keep-in-foreground", "--no-resolv", "--no-hosts", "--pid-file=", "--conf-file=/dev/null",
		"--host-record="+loadName+",192.0.2.1", "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root")
	ns.Do(t, cmd.Start)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed
	})
	kerneltest.Within(t, 10*time.Second, "dnsmasq to answer", func() bool {
		return ns.Try(func() error { _, err := askMany(1); return err }) == nil
	})
}

// askMany asks the resolver on loopback n times, with a window under way, and gives how
// many answers came. It must run inside the namespace.
func askMany(n int) (answered int, err error) {
	conn, err := net.Dial("udp", "127.0.0.1:53")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	q := dnsmessage.Message{
		Header:    dnsmessage.Header{RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(loadName + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := q.Pack()
	if err != nil {
		return 0, err
	}
	answer := make([]byte, 512)
	for sent := 0; answered < n; {
		for ; sent < n && sent-answered < loadWindow; sent++ {
			binary.BigEndian.PutUint16(packed, uint16(sent))
			if _, err := conn.Write(packed); err != nil {
				return answered, err
			}
		}
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return answered, err
		}
		if _, err := conn.Read(answer); err != nil {
			return answered, fmt.Errorf("after %d answers: %w", answered, err)
		}
		answered++
	}
	return answered, nil
}

// ledger joins what the kernel tells.
type ledger struct {
	exchanges                *flow.Exchanges
	asked, answered, matched int
	lost                     map[event.Kind]uint64
}

func (l *ledger) take(e event.Event) {
	switch e := e.(type) {
	case *event.DNSQuery:
		l.asked++
		l.exchanges.Ask(e)
	case *event.DNSAnswer:
		l.answered++
		if l.exchanges.Answer(e) != nil {
			l.matched++
		}
	case *event.Loss:
		l.lost[e.Of] = e.Count
	}
}

// Every question and answer of a busy resolver is told or counted as lost, and what was
// told of both sides is joined.
func TestEveryAnswerFindsItsQuestionUnderLoad(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	runDnsmasq(t, ns)
	k, err := kernel.Open(kernel.Options{Netns: []event.Netns{ns.ID}, Sights: []string{hook.SightDNS}})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	l := ledger{exchanges: flow.NewExchanges(), lost: map[event.Kind]uint64{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, l.take) }()
	begun := time.Now()
	ns.Do(t, func() error { _, err := askMany(loadQuestions); return err })
	took := time.Since(begun)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	lost := l.lost[event.KindDNSQuery] + l.lost[event.KindDNSAnswer]
	t.Logf("%.0f questions a second: %d asked, %d answered, %d joined, %d lost", loadQuestions/took.Seconds(), l.asked, l.answered, l.matched, lost)
	if got := uint64(l.asked+l.answered) + lost; got != 2*loadQuestions {
		t.Errorf("%d packets are told or counted as lost, not %d", got, 2*loadQuestions)
	}
	if unmatched := l.answered - l.matched; uint64(unmatched) > lost {
		t.Errorf("%d answers found no question, when %d packets were lost", unmatched, lost)
	}
}
