// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func (s *stale) describe(w *writer) {
	to := netip.AddrPortFrom(s.addr, s.port)
	w.Message = fmt.Sprintf("%s no longer resolves to %s, which is still dialled", s.name.Name, s.addr)
	w.towards(to, s.proto)
	w.question(s.name, &s.newer)
	w.DNS.StaleIP = s.addr.String()
	w.DNS.CurrentIP = texts(s.newer.Addresses)
	w.DNS.TTL = s.held.TTL
	w.symptom("%s connects to %s, an address that %s had before", w.who(), to, s.name.Name)
	w.symptom("it works again after the program is started anew; others on the host reach the new address")
	w.evidence("%s: %s answered %s, TTL %d s: the last answer with it, until %s",
		w.clock(s.held.Last), s.held.Server.Addr(), s.addr, s.held.TTL, w.clock(s.held.Expires))
	w.evidence("%s, without it", w.said(&s.newer))
	what := "the TTL"
	if s.told {
		what = "the TTL of what it was told"
	}
	w.evidence("%s: %s dialled %s, %s after %s had run out; %d dials since",
		w.clock(s.dialled), w.who(), to, ago(s.dialled.Sub(s.until)), what, s.total)
	w.sure.Add(40, "an address was dialled %s after its TTL had run out", ago(s.dialled.Sub(s.until)))
	w.sure.Add(35, "a newer answer for the name does not have it%s", s.alone())
	s.weigh(w)
	w.fixStale(s)
}

// alone tells that no name is left by which the address may be meant.
func (s *stale) alone() string {
	if s.shared {
		return ""
	}
	return ", and no other name that is known here has"
}

func (s *stale) weigh(w *writer) {
	if s.overlaps() {
		w.sure.Add(-40, "the newer answer keeps some of the addresses: a pool that shrank, or answers that go round")
		w.against("the answers overlap: the address may still be one of a pool")
	} else {
		w.sure.Add(15, "old and new answer have no address in common")
	}
	if s.shared {
		w.sure.Add(-25, "another name still has the address: the program was told it as %s's alone, unless it was before this agent ran", s.name.Name)
		w.against("another name still has the address, and a program that asked for that long ago may mean it")
	}
	if s.virtual() {
		w.sure.Add(-25, "a Java virtual machine caches by itself, and may serve an expired answer on purpose (networkaddress.cache.stale.ttl)")
	}
	w.against(
		"not a connection that was made before: only new connects count",
		"not a name whose answers go round: no address that was left out has come back",
		fmt.Sprintf("an address that was resolved a moment before it expired is no fault: connects count from %s after the TTL", staleGrace))
}

func (m *disagree) describe(w *writer) {
	one, other := &m.one, &m.other
	w.Message = fmt.Sprintf("Resolvers disagree about %s", m.name.Name)
	w.towards(one.Server, event.ProtocolUDP)
	w.question(m.name, one)
	w.DNS.OtherResolver, w.DNS.OtherIP = other.Server.Addr().String(), texts(other.Addresses)
	w.DNS.CurrentIP = texts(other.Addresses)
	w.symptom("%s reaches another machine depending on which resolver is asked: it works on one try and not on the next", m.name.Name)
	w.evidence("%s (%d times in a row)", w.said(one), one.Times)
	w.evidence("%s (%d times in a row)", w.said(other), other.Times)
	w.sure.Add(30, "both answers were valid at the same time and have no address in common")
	w.sure.Add(15, "each was given several times in a row")
	left := w.left(one.Expires)
	w.DNS.TTLLeft = &left
	if m.behind {
		w.sure.Add(30, "%s still says what %s said before", one.Server.Addr(), other.Server.Addr())
		w.evidence("%s is behind: it still says what %s said before, for %d s yet", one.Server.Addr(), other.Server.Addr(), left)
	}
	if why, meant := m.meant(); meant {
		w.sure.Add(-25, "%s", why)
		w.against(why)
	}
	w.against(
		"resolvers may differ on purpose: a private zone (split horizon), or answers by place (GeoDNS)",
		"not answers that go round: each resolver kept to its own")
	w.fixDisagree(m)
}

func (m *denial) describe(w *writer) {
	w.Message = fmt.Sprintf("%s denies %s, which exists", m.denies.Server.Addr(), m.name.Name)
	w.towards(m.denies.Server, event.ProtocolUDP)
	w.question(m.name, &m.denies)
	w.DNS.OtherResolver, w.DNS.OtherIP = m.has.Server.Addr().String(), texts(m.has.Addresses)
	w.DNS.CurrentIP = texts(m.has.Addresses)
	left := w.left(m.denies.Expires)
	w.DNS.TTLLeft = &left
	w.symptom("%s is told that %s does not exist, although the record was made", w.who(), m.name.Name)
	w.evidence("%s (%d times)", w.said(&m.denies), m.denials)
	w.evidence("%s", w.said(&m.has))
	w.sure.Add(45, "%s denies the name while another resolver has it", m.denies.Server.Addr())
	w.sure.Add(15, "%d times in a row", m.denials)
	if m.denies.Counts {
		w.sure.Add(25, "its negative TTL counts down: it comes from a cache, which asks again in %d s", left)
		w.evidence("the denial comes from a cache and holds for %d s yet", left)
	}
	m.weigh(w)
	w.against("not an AAAA that is missing beside an A: both answers are of the type " + m.name.Type)
	w.fixDenial(m)
}

func (m *denial) weigh(w *writer) {
	switch {
	case m.anew:
		w.sure.Add(-30, "it asked anew since, and was told the same: it does not keep what was")
		w.against("the resolver fetched its denial anew: the server that it asks is behind, or is not meant to know the name (split horizon)")
	case m.has.Made:
		w.sure.Add(15, "%s denied the name, too, before it was made", m.has.Server.Addr())
	case !m.denies.Counts:
		w.sure.Add(-20, "that the name was ever denied elsewhere was not seen, nor that the denial is an old one")
		w.against("two resolvers that are meant to differ: a private zone that only one of them knows (split horizon)")
	}
	if m.denies.Authoritative {
		w.sure.Add(-30, "it says so as the zone's own server: a zone that was not brought up to date, or one without the name on purpose")
		w.against("the resolver that denies speaks for the zone itself (AA): a secondary that is behind, or split horizon")
	}
	if m.internal() {
		w.sure.Add(-30, "the name has private addresses only, and this resolver is a public one")
		w.against("an internal name that a public resolver is not meant to know")
	}
}

func (m *long) describe(w *writer) {
	w.Message = fmt.Sprintf("The answer for %s holds for %s", m.name.Name, span(m.said.TTL))
	w.question(m.name, &m.said)
	w.symptom("nothing fails now; once the record changes, caches keep the old address for up to %s", span(m.said.TTL))
	w.evidence("%s", w.said(&m.said))
	w.sure.Add(95, "the answer itself says so")
	if m.changed {
		w.symptom("the record has changed: who asked before still has %s", join(m.was))
		w.evidence("before it was %s, which caches may hold until %s", join(m.was), w.clock(m.wasTill))
	}
	w.against("a record that never changes may well hold for days")
	w.fixLong(m)
}

// span puts seconds into words.
func span(seconds uint32) string {
	if seconds%86400 == 0 {
		if days := seconds / 86400; days != 1 {
			return fmt.Sprintf("%d days", days)
		}
		return "a day"
	}
	return fmt.Sprintf("%.1f days", float64(seconds)/86400)
}

func (m *mute) describe(w *writer) {
	at, sum := m.server.key.addr, m.sum
	w.Message = fmt.Sprintf("The resolver %s does not answer", at)
	if sum.unanswered == 0 {
		w.Message = fmt.Sprintf("The resolver %s answers with errors", at)
		w.DNS.ResponseCode = "SERVFAIL"
	}
	w.towards(netip.AddrPortFrom(at, m.server.port), event.ProtocolUDP)
	w.ErrorCode = "ETIMEDOUT"
	if sum.unanswered == 0 {
		w.ErrorCode = ""
	}
	w.DNS.Resolver = at.String()
	w.DNS.Queries, w.DNS.Unanswered, w.DNS.Failures = sum.asked, sum.unanswered, sum.failed
	if len(m.server.failed) > 0 {
		w.DNS.Question = m.server.failed[0]
	}
	w.symptom("connections by name wait for seconds or fail (\"Temporary failure in name resolution\"), by address they work")
	w.evidence("%d questions to %s in %s: %d without an answer, %d answered with an error, %d answered",
		sum.asked, at, window, sum.unanswered, sum.failed, sum.answered)
	if run := m.server.run; run.dead() {
		w.evidence("none of the last %d questions was answered, the first of them asked at %s", run.questions, w.clock(run.first))
	}
	w.evidence("among them %s, asked by %s", quoteNames(m.server.failed), w.who())
	w.sure.Add(50, "%d questions came to nothing", sum.unanswered+sum.failed)
	m.weigh(w)
	w.fixMute(m)
}

func (m *mute) weigh(w *writer) {
	switch {
	case len(m.others) > 0:
		w.sure.Add(35, "%s answered meanwhile", join(m.others))
		w.evidence("%s answered in the same time", join(m.others))
	case m.silentToo:
		w.sure.Add(-10, "the other resolvers are silent as well: it may be the network, not the resolver")
		w.against("every resolver that was asked is silent: look at the way to them (route, firewall) first")
	default:
		w.sure.Add(10, "it is the only one that is asked")
		w.against("no other resolver is asked here: that the network is down would look the same")
	}
	w.against(
		"one packet lost here and there does not count: it takes half of all questions, and three",
		"a delay of 5 s with answers in the end may be two questions on one socket that collide in conntrack (A and AAAA): try options single-request-reopen")
}
