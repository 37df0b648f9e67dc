// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// dnsPair is a client and a server of names in namespaces of their own.
type dnsPair struct{ client, server *kerneltest.Netns }

const (
	dnsServer4 = "10.78.1.1"
	dnsServer6 = "fd78::1"
)

func newDNSPair(t *testing.T) dnsPair {
	t.Helper()
	p := dnsPair{client: kerneltest.Namespace(t), server: kerneltest.Namespace(t)}
	kerneltest.Cable(t,
		kerneltest.End{Netns: p.client, Name: "up", Prefix: netip.MustParsePrefix("10.78.1.2/24"), Alias: netip.MustParsePrefix("fd78::2/64")},
		kerneltest.End{Netns: p.server, Name: "down", Prefix: netip.MustParsePrefix(dnsServer4 + "/24"), Alias: netip.MustParsePrefix(dnsServer6 + "/64")})
	return p
}

// serveDNS answers every question with n addresses, over UDP and TCP. Over TCP the
// answer comes in two segments.
func serveDNS(t *testing.T, ns *kerneltest.Netns, at string, n int) {
	t.Helper()
	var udp net.PacketConn
	var tcp net.Listener
	ns.Do(t, func() (err error) {
		if udp, err = net.ListenPacket("udp", net.JoinHostPort(at, "53")); err != nil {
			return err
		}
		tcp, err = net.Listen("tcp", net.JoinHostPort(at, "53"))
		return err
	})
	t.Cleanup(func() { udp.Close(); tcp.Close() })
	go func() {
		packet := make([]byte, 4096)
		for {
			size, from, err := udp.ReadFrom(packet)
			if err != nil {
				return
			}
			udp.WriteTo(answerTo(packet[:size], n), from) // the client notices
		}
	}()
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			go answerInTwo(conn, n)
		}
	}()
}

func answerInTwo(conn net.Conn, n int) {
	defer conn.Close()
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return
	}
	question := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return
	}
	answer := answerTo(question, n)
	whole := append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)
	conn.(*net.TCPConn).SetNoDelay(true) // the default
	conn.Write(whole[:len(whole)/2])     // the client notices
	// The client's acknowledgement of the first half comes before the second is sent:
	// it asks for it.
	io.ReadFull(conn, length[:1])    // same
	conn.Write(whole[len(whole)/2:]) // same
}

func answerTo(question []byte, n int) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil
	}
	m.Response = true
	for i := range n {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 300},
			Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, byte(i)}},
		})
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}

func question(t *testing.T, id uint16, name string) []byte {
	t.Helper()
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(name), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// ask sends one question and reads the answer.
func ask(t *testing.T, ns *kerneltest.Netns, network, server string, id uint16) {
	t.Helper()
	asked := question(t, id, "WWW.Example.org.")
	ns.Do(t, func() error {
		conn, err := net.Dial(network, net.JoinHostPort(server, "53"))
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
			return err
		}
		if network == "tcp" {
			return askStream(conn, asked)
		}
		if _, err := conn.Write(asked); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 8192))
		return err
	})
}

func askStream(conn net.Conn, asked []byte) error {
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(asked))), asked...)); err != nil {
		return err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{0}); err != nil { // lets the second half come
		return err
	}
	_, err := io.ReadAll(conn)
	return err
}

// dnsWitness collects what the kernel tells of one id.
type dnsWitness struct {
	queries []event.DNSQuery
	answers []event.DNSAnswer
}

func (w *dnsWitness) take(e event.Event) {
	switch e := e.(type) {
	case *event.DNSQuery:
		w.queries = append(w.queries, *e)
	case *event.DNSAnswer:
		kept := *e
		kept.Addresses = slices.Clone(e.Addresses)
		w.answers = append(w.answers, kept)
	}
}

// runWhile runs k during act, and until everything that happened meanwhile is told.
func runWhile(t *testing.T, k *Kernel, take func(event.Event), act func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, take) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	act()
}

func TestQuestionAndAnswerAreToldOnceInTheAskersNamespace(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, rung := range []string{hook.RungCgroup, hook.RungTracepointBTF} {
		for _, network := range []string{"udp4", "udp6", "tcp"} {
			if rung == hook.RungTracepointBTF && network == "tcp" {
				continue // a segment's payload lies in pages: that rung does not see it
			}
			t.Run(rung+"/"+network, func(t *testing.T) { askOnce(t, rung, network) })
		}
	}
}

func askOnce(t *testing.T, rung, network string) {
	p := newDNSPair(t)
	server := dnsServer4
	if network == "udp6" {
		server = dnsServer6
	}
	serveDNS(t, p.server, server, 2)
	k := mustOpen(t, Options{Sights: []string{hook.SightDNS, hook.SightTCP}, Rung: map[string]string{"dns_packet": rung}})
	var w dnsWitness
	runWhile(t, k, w.take, func() { ask(t, p.client, network, server, 4711) })
	if len(w.queries) != 1 || len(w.answers) != 1 {
		t.Fatalf("%d questions and %d answers told: %+v %+v", len(w.queries), len(w.answers), w.queries, w.answers)
	}
	q, a := w.queries[0], w.answers[0]
	want := netip.AddrPortFrom(netip.MustParseAddr(server), 53)
	if q.Netns != p.client.ID || a.Netns != p.client.ID || q.Server != want || a.Server != want || q.Client != a.Client {
		t.Errorf("question %+v, answer %+v", q, a)
	}
	if q.Owner.PID != uint32(os.Getpid()) || q.Owner.Comm == "" {
		t.Errorf("asked by %+v, not by this process (%d)", q.Owner, os.Getpid())
	}
	if q.Name != "www.example.org" || q.Type != "A" || q.ID != 4711 || !q.Recursive {
		t.Errorf("question %+v", q)
	}
	if a.RCode != "NOERROR" || a.TTL != 300 || len(a.Addresses) != 2 || a.Addresses[1] != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("answer %+v", a)
	}
}

func TestLoopbackStubIsSeen(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	serveDNS(t, ns, "127.0.0.53", 1)
	k := mustOpen(t, Options{Sights: []string{hook.SightDNS}})
	var w dnsWitness
	runWhile(t, k, w.take, func() { ask(t, ns, "udp", "127.0.0.53", 1) })
	if len(w.queries) != 1 || len(w.answers) != 1 {
		t.Errorf("told %+v %+v", w.queries, w.answers)
	}
}

func TestLongAnswersAreToldWholeUpToTheirCap(t *testing.T) {
	kerneltest.Exclusive(t)
	for i, n := range []int{3, 20, 60, 200, 400} { // 81 to 6,433 bytes
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			ns := kerneltest.Namespace(t)
			serveDNS(t, ns, "127.0.0.1", n)
			k := mustOpen(t, Options{Sights: []string{hook.SightDNS}})
			var w dnsWitness
			runWhile(t, k, w.take, func() { ask(t, ns, "udp", "127.0.0.1", uint16(i)) })
			if len(w.answers) != 1 {
				t.Fatalf("told %+v", w.answers)
			}
			a := w.answers[0]
			if a.Cut != (n == 400) || len(a.Addresses) != min(n, event.DNSAddresses) || !a.Cut && int(a.Records) != n {
				t.Errorf("of %d records: %+v", n, a)
			}
		})
	}
}

func TestForeignNamespaceIsFilteredInTheKernel(t *testing.T) {
	kerneltest.Exclusive(t)
	watched, other := kerneltest.Namespace(t), kerneltest.Namespace(t)
	for _, ns := range []*kerneltest.Netns{watched, other} {
		serveDNS(t, ns, "127.0.0.1", 1)
	}
	k := mustOpen(t, Options{Sights: []string{hook.SightDNS}, Netns: []event.Netns{watched.ID}})
	var w dnsWitness
	runWhile(t, k, w.take, func() {
		ask(t, other, "udp", "127.0.0.1", 1)
		ask(t, watched, "udp", "127.0.0.1", 2)
	})
	if len(w.queries) != 1 || w.queries[0].ID != 2 {
		t.Errorf("told %+v", w.queries)
	}
}

func TestGarbledMessagesAreCountedNotFatal(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	serveDNS(t, ns, "127.0.0.1", 1)
	k := mustOpen(t, Options{Sights: []string{hook.SightDNS}})
	var w dnsWitness
	var garbled uint64
	take := func(e event.Event) {
		if loss, ok := e.(*event.Loss); ok && loss.Of == event.KindDNSAnswer && loss.Stage == "decode" {
			garbled = loss.Count
		}
		w.take(e)
	}
	runWhile(t, k, take, func() {
		ns.Do(t, func() error {
			conn, err := net.Dial("udp", "127.0.0.1:53")
			if err != nil {
				return err
			}
			defer conn.Close()
			for _, junk := range []string{"x", "\x00\x01\x01\x00 no message, but long enough to be one"} {
				if _, err := conn.Write([]byte(junk)); err != nil {
					return err
				}
			}
			return nil
		})
		ask(t, ns, "udp", "127.0.0.1", 1)
	})
	if garbled != 2 || len(w.queries) != 1 {
		t.Errorf("%d counted, told %+v", garbled, w.queries)
	}
}

func TestDialsAreToldOnlyOfAddressesAskedFor(t *testing.T) {
	kerneltest.Exclusive(t)
	for _, rung := range []string{hook.RungCgroup, hook.RungTracepointBTF} {
		t.Run(rung, func(t *testing.T) { dialOnce(t, rung) })
	}
}

func dialOnce(t *testing.T, rung string) {
	ns := kerneltest.Namespace(t)
	k := mustOpen(t, Options{Sights: []string{hook.SightDial}, Rung: map[string]string{"connect": rung}})
	for _, to := range []string{"127.0.0.7", "::1"} {
		if err := k.WatchDial(ns.ID, netip.MustParseAddr(to)); err != nil {
			t.Fatal(err)
		}
	}
	var dials []event.Dial
	take := func(e event.Event) {
		if dial, ok := e.(*event.Dial); ok {
			dials = append(dials, *dial)
		}
	}
	runWhile(t, k, take, func() {
		ns.Do(t, func() error {
			for _, to := range []string{"127.0.0.6:7", "127.0.0.7:7", "[::1]:7"} {
				if conn, err := net.Dial("tcp", to); err == nil {
					conn.Close()
				}
			}
			return nil
		})
	})
	if len(dials) != 2 || dials[0].Destination != netip.MustParseAddrPort("127.0.0.7:7") ||
		dials[1].Destination != netip.MustParseAddrPort("[::1]:7") {
		t.Fatalf("told %+v", dials)
	}
	for _, d := range dials {
		if d.Netns != ns.ID || d.Owner.PID != uint32(os.Getpid()) || d.Protocol != event.ProtocolTCP || d.Count != 1 {
			t.Errorf("told %+v", d)
		}
	}
}

func TestConnectedDatagramSocketIsADial(t *testing.T) {
	kerneltest.Exclusive(t)
	ns := kerneltest.Namespace(t)
	k := mustOpen(t, Options{Sights: []string{hook.SightDial}})
	if err := k.WatchDial(ns.ID, netip.MustParseAddr("127.0.0.7")); err != nil {
		t.Fatal(err)
	}
	var dials int
	take := func(e event.Event) {
		if dial, ok := e.(*event.Dial); ok && dial.Protocol == event.ProtocolUDP {
			dials++
		}
	}
	runWhile(t, k, take, func() {
		ns.Do(t, func() error {
			conn, err := net.Dial("udp", "127.0.0.7:7")
			if err != nil {
				return err
			}
			return conn.Close()
		})
	})
	if dials != 1 {
		t.Errorf("%d dials told", dials)
	}
}
