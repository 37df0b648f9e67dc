// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const second = event.Time(time.Second)

func saying(at event.Time, server string, ttl uint32, addrs ...string) *event.DNSAnswer {
	a := &event.DNSAnswer{
		Header: event.Header{Time: at, Netns: 7}, Server: netip.MustParseAddrPort(server), Name: "www.example.org", Type: "A",
		RCode: "NOERROR", TTL: ttl,
	}
	for _, addr := range addrs {
		a.Addresses = append(a.Addresses, netip.MustParseAddr(addr))
	}
	return a
}

const (
	here  = "10.0.0.1:53"
	there = "10.0.0.2:53"
)

func TestNameRemembersWhatItLostAndToWhom(t *testing.T) {
	names := NewNames()
	names.Take(saying(second, here, 10, "192.0.2.1"))
	n := names.Take(saying(5*second, there, 60, "192.0.2.2"))
	lost := n.Holds(netip.MustParseAddr("192.0.2.1"))
	if lost.Gone != 5*second || lost.GoneServer.String() != there || lost.Expires != 11*second || lost.TTL != 10 {
		t.Errorf("kept %+v", *lost)
	}
	names.Take(saying(6*second, here, 4, "192.0.2.1"))
	if lost.Gone != 0 || lost.Expires != 11*second || n.Rotates(6*second) {
		t.Errorf("kept %+v, rotates %v: another resolver's answer is no rotation", *lost, n.Rotates(6*second))
	}
	if got := names.Holders(7, lost.Addr); len(got) != 1 || got[0] != n.Key {
		t.Errorf("holders %v", got)
	}
}

func TestAnswersThatGoRoundAreRecognised(t *testing.T) {
	for what, sets := range map[string][][]string{
		"one comes back":       {{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.1"}},
		"windows on a pool":    {{"192.0.2.1", "192.0.2.2"}, {"192.0.2.2", "192.0.2.3"}},
		"three different sets": {{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.3"}},
	} {
		n := takeAll(sets)
		if !n.Rotates(10 * second) {
			t.Errorf("%s: not recognised", what)
		}
		if n.Rotates(10*second + event.Time(2*time.Hour)) {
			t.Errorf("%s: never forgotten", what)
		}
	}
	for what, sets := range map[string][][]string{
		"a change":             {{"192.0.2.1"}, {"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.2"}},
		"another order":        {{"192.0.2.1", "192.0.2.2"}, {"192.0.2.2", "192.0.2.1"}},
		"a pool that shrinks":  {{"192.0.2.1", "192.0.2.2"}, {"192.0.2.2"}},
		"a pool that grows":    {{"192.0.2.1"}, {"192.0.2.1", "192.0.2.2"}},
		"a denial in between":  {{"192.0.2.1"}, {}, {"192.0.2.1"}},
		"a change and a dozen": {{"192.0.2.1"}, {"192.0.2.2"}, {"192.0.2.2"}, {"192.0.2.2"}, {"192.0.2.2"}},
	} {
		if takeAll(sets).Rotates(10 * second) {
			t.Errorf("%s counts as a rotation", what)
		}
	}
}

func takeAll(sets [][]string) *Name {
	names := NewNames()
	var n *Name
	for i, set := range sets {
		n = names.Take(saying(event.Time(i+1)*second, here, 1, set...))
	}
	return n
}

func TestSlowChangesAreNoRotation(t *testing.T) {
	names := NewNames()
	var n *Name
	at := second
	for i := range 5 {
		at = at.Add(20 * time.Minute)
		n = names.Take(saying(at, here, 60, fmt.Sprintf("192.0.2.%d", i)))
	}
	if n.Rotates(at) {
		t.Error("a record that changes every twenty minutes counts as a rotation")
	}
}

func TestDenialThatCountsDownComesFromACache(t *testing.T) {
	for _, c := range []struct {
		ttls   [2]uint32
		counts bool
	}{{[2]uint32{60, 57}, true}, {[2]uint32{60, 60}, false}, {[2]uint32{60, 30}, false}} {
		names := NewNames()
		var s *Said
		for i, ttl := range c.ttls {
			a := saying(event.Time(1+3*i)*second, here, 0)
			a.RCode, a.NegativeTTL = "NXDOMAIN", ttl
			s = names.Take(a).Of(a.Server)
		}
		if s.Counts != c.counts || s.Times != 2 || !s.Denies() {
			t.Errorf("TTLs %v three seconds apart: %+v", c.ttls, *s)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	names := NewNames()
	for i := range 4 * maxHeld {
		server := fmt.Sprintf("10.0.0.%d:53", i%50)
		names.Take(saying(event.Time(i+1)*second, server, 1, fmt.Sprintf("10.1.%d.%d", i/250, i%250)))
	}
	n := names.Get(NameKey{7, "www.example.org", "A"})
	if len(n.Held) > maxHeld || len(n.Said) > maxSaid {
		t.Errorf("%d addresses of %d resolvers are kept", len(n.Held), len(n.Said))
	}
}

func asking(at event.Time, id uint16) *event.DNSQuery {
	return &event.DNSQuery{
		Header: event.Header{Time: at, Netns: 7}, Client: netip.MustParseAddrPort("10.0.0.9:4000"),
		Server: netip.MustParseAddrPort(here), Protocol: event.ProtocolUDP, ID: id, Name: "www.example.org", Type: "A",
	}
}

func answering(q *event.DNSQuery, at event.Time) *event.DNSAnswer {
	return &event.DNSAnswer{
		Header: event.Header{Time: at, Netns: q.Netns}, Client: q.Client, Server: q.Server, Protocol: q.Protocol, ID: q.ID, Name: q.Name, Type: q.Type,
	}
}

func TestExchangeIsJoinedByAllThatIdentifiesIt(t *testing.T) {
	for what, change := range map[string]func(*event.DNSAnswer){
		"id": func(a *event.DNSAnswer) { a.ID++ }, "name": func(a *event.DNSAnswer) { a.Name = "other" },
		"type": func(a *event.DNSAnswer) { a.Type = "AAAA" }, "namespace": func(a *event.DNSAnswer) { a.Netns++ },
		"protocol": func(a *event.DNSAnswer) { a.Protocol = event.ProtocolTCP },
		"port":     func(a *event.DNSAnswer) { a.Client = netip.AddrPortFrom(a.Client.Addr(), 4001) },
	} {
		x := NewExchanges()
		q := asking(second, 1)
		x.Ask(q)
		stray := answering(q, 2*second)
		change(stray)
		if x.Answer(stray) != nil || x.Strays() != 1 {
			t.Errorf("an answer with another %s was taken", what)
		}
		if got := x.Answer(answering(q, 2*second)); got == nil || got.Query != *q || got.Late {
			t.Errorf("got %+v", got)
		}
		if x.Answer(answering(q, 2*second)) != nil {
			t.Error("one answer too many was taken")
		}
	}
}

// A rule of the output hook leads questions to another resolver, and the source may change
// as well: the question is seen behind it, the answer is what the socket gets.
func TestQuestionWhoseAddressesAreTranslatedFindsItsAnswer(t *testing.T) {
	x := NewExchanges()
	q := asking(second, 1)
	x.Ask(q)
	a := answering(q, 2*second)
	a.Server = netip.MustParseAddrPort(there)
	a.Client = netip.AddrPortFrom(netip.MustParseAddr("10.9.9.9"), q.Client.Port())
	if got := x.Answer(a); got == nil || got.Query != *q {
		t.Errorf("got %+v", got)
	}
	if x.Answer(a) != nil {
		t.Error("taken twice")
	}
	x.Overdue(9*second, time.Second, func(*Exchange) { t.Error("it counts as unanswered") })
}

func TestQuestionMetTwiceIsOneAndSentAgainIsATry(t *testing.T) {
	x := NewExchanges()
	first, fresh := x.Ask(asking(second, 1))
	if !fresh {
		t.Error("the first was not new")
	}
	x.Ask(asking(second+event.Time(time.Millisecond), 1))
	if first.Tries != 1 {
		t.Errorf("%d tries of a packet that was met on two devices", first.Tries)
	}
	again, fresh := x.Ask(asking(6*second, 1))
	if fresh || again != first || first.Tries != 2 {
		t.Errorf("sent again: new %v, %d tries", fresh, first.Tries)
	}
}

func TestOverdueQuestionsAreToldOnceAndStillFindALateAnswer(t *testing.T) {
	x := NewExchanges()
	for id := range uint16(3) {
		x.Ask(asking(event.Time(1+id)*second, id))
	}
	var told []uint16
	for range 2 {
		x.Overdue(6*second, 4*time.Second, func(e *Exchange) { told = append(told, e.Query.ID) })
	}
	if fmt.Sprint(told) != "[0 1]" {
		t.Errorf("told %v", told)
	}
	if got := x.Answer(answering(asking(second, 0), 7*second)); got == nil || !got.Late {
		t.Errorf("late answer: %+v", got)
	}
	if e, _ := x.Ask(asking(3*second, 2)); !x.Miss(e) || x.Miss(e) {
		t.Error("given up not exactly once")
	}
}

func TestExchangesAreBounded(t *testing.T) {
	x := NewExchanges()
	for i := range 2 * maxAsked {
		q := asking(second, uint16(i))
		q.Name = fmt.Sprint(i)
		x.Ask(q)
	}
	if x.asked.Len() != maxAsked || x.Evicted() != maxAsked {
		t.Errorf("%d kept, %d pushed out", x.asked.Len(), x.Evicted())
	}
}

func TestProgramMayUseWhatItWasToldItself(t *testing.T) {
	names := NewNames()
	const old, pid = "192.0.2.1", 7
	tell := func(a *event.DNSAnswer, comm string) *Name {
		n := names.Take(a)
		n.Tell(event.Owner{PID: pid, Comm: comm}, a)
		return n
	}
	tell(saying(second, here, 10, old), "app")
	n := tell(saying(5*second, here, 60, old), "other")
	for who, want := range map[event.Owner]event.Time{
		{PID: pid, Comm: "app"}:    11 * second,
		{PID: pid, Comm: "other"}:  65 * second,
		{PID: pid, Comm: "thread"}: 65 * second, // that dials what another one resolved
		{PID: 8, Comm: "app"}:      0,
	} {
		if until, known := n.Until(who, netip.MustParseAddr(old)); until != want || known != (want != 0) {
			t.Errorf("%+v may use it until %d (%v), want %d", who, until, known, want)
		}
	}
	for i := range maxTold {
		names.Take(saying(6*second, here, 10, old))
		n.Tell(event.Owner{PID: uint32(100 + i)}, saying(6*second, here, 10, old))
	}
	if _, known := n.Until(event.Owner{PID: pid, Comm: "app"}, netip.MustParseAddr(old)); known || len(n.told) > maxTold {
		t.Errorf("%d are kept, the oldest too", len(n.told))
	}
}
