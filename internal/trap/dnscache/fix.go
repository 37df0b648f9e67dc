// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dnscache

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// hostLook is a command that belongs to no network namespace.
func hostLook(does, format string, args ...any) finding.Step {
	return trap.Place{}.Look(does, format, args...)
}

// flush gives the commands that empty the caches which run here: in the namespace of who
// was hit, since those of other namespaces serve others.
func (w *writer) flush(name string) []finding.Step {
	var steps []finding.Step
	if w.base.resolver == nil {
		return nil
	}
	for _, c := range w.base.resolver.Caches {
		if c.Netns != w.base.key.Netns {
			continue
		}
		if step, ok := flushOf(c, name); ok {
			steps = append(steps, step)
		}
	}
	return steps
}

func flushOf(c event.Cache, name string) (finding.Step, bool) {
	pid := strconv.FormatUint(uint64(c.PID), 10)
	switch c.Name {
	case "systemd-resolved":
		return hostLook("empties systemd-resolved's cache", "resolvectl flush-caches"), true
	case "nscd":
		return hostLook("empties nscd's cache of hosts", "nscd -i hosts"), true
	case "dnsmasq":
		return hostLook("empties dnsmasq's cache (dnsmasq(8))", "kill -HUP %s", pid), true
	case "unbound":
		return hostLook("takes the name out of unbound's cache", "unbound-control flush %s", name), true
	case "named":
		return hostLook("takes the name out of named's cache", "rndc flushname %s", name), true
	case "pdns_recursor":
		return hostLook("takes the name out of the recursor's cache", "rec_control wipe-cache %s", name), true
	case "coredns", "node-cache":
		return hostLook("makes CoreDNS read its configuration anew, with an empty cache", "kill -USR1 %s", pid), true
	default:
		return finding.Step{}, false
	}
}

// look asks a resolver by hand.
func (w *writer) look(does string, server netip.Addr, name, kind string) {
	w.Verify = append(w.Verify, w.place.Look(does, "dig +noall +answer +comments @%s -t %s -q %s", server, kind, name))
}

// layers asks every resolver for a name, and the zone's own servers. A name that no host
// has, or that reads like a flag, is not put into a command.
func (w *writer) layers(name, kind string, servers ...netip.Addr) {
	if strings.HasPrefix(name, "-") || strings.Contains(name, `\`) {
		return
	}
	line, args := "trapbpf probe dns %s --type %s", []any{name, kind}
	for _, server := range servers {
		line += " --server %s"
		args = append(args, server)
	}
	w.Verify = append(w.Verify, w.place.Look("every layer and the zone's own servers: who is behind, and for how long yet", line, args...))
}

func (w *writer) fixStale(s *stale) {
	if s.virtual() {
		w.fix(trap.Note("the JVM caches by itself: networkaddress.cache.ttl=%d and networkaddress.cache.stale.ttl=0 in its java.security, or -Dsun.net.inetaddr.ttl=%d", jvmTTL(s), jvmTTL(s)))
	}
	w.fix(trap.Note("%s keeps the address by itself: let it resolve the name for each new connection, or start it anew", w.who()))
	w.fix(w.flush(s.name.Name)...)
	w.Persistent = append(w.Persistent,
		trap.Note("bound the age of pooled connections and of resolved addresses below the TTL (%d s)", s.held.TTL),
		trap.Note("lower the TTL at the authority before an address changes, and keep the old one serving until it has run out"))
	w.look("what the name has now", s.newer.Server.Addr(), s.name.Name, s.name.Type)
	w.layers(s.name.Name, s.name.Type, s.newer.Server.Addr())
	w.Verify = append(w.Verify, w.place.Look("must show no new connection to the old address", "ss -Htnp dst %s", s.addr))
}

// jvmTTL is what a JVM should keep an answer for, in seconds: as long as it holds, and no
// longer than its own default.
func jvmTTL(s *stale) uint32 { return max(min(s.newer.TTL, 30), 1) }

func (w *writer) fixDisagree(m *disagree) {
	w.fix(w.flush(m.name.Name)...)
	if m.behind {
		w.fix(trap.Note("%s is behind: empty its cache, or wait %d s", m.one.Server.Addr(), w.left(m.one.Expires)))
	} else {
		w.fix(trap.Note("find out who is behind: trapbpf probe dns %s asks the zone's own servers, too", m.name.Name))
	}
	w.Persistent = append(w.Persistent,
		trap.Note("name only resolvers that answer alike in one resolv.conf: a stub takes the first that answers"),
		trap.Note("lower the TTL at the authority before a record changes"))
	w.look("must be the same on both", m.one.Server.Addr(), m.name.Name, m.name.Type)
	w.look("must be the same on both", m.other.Server.Addr(), m.name.Name, m.name.Type)
	w.layers(m.name.Name, m.name.Type, m.one.Server.Addr(), m.other.Server.Addr())
}

func (w *writer) fixDenial(m *denial) {
	w.fix(w.flush(m.name.Name)...)
	if m.denies.Authoritative {
		w.fix(trap.Note("bring the zone on %s up to date: compare the serial in its SOA record", m.denies.Server.Addr()))
	} else {
		w.fix(trap.Note("empty the cache of %s, or wait %d s: that is how long its denial holds", m.denies.Server.Addr(), w.left(m.denies.Expires)))
	}
	w.Persistent = append(w.Persistent,
		trap.Note("make a record before anybody asks for it; lower the last field of the zone's SOA, which is how long a denial may be kept (RFC 2308, 5)"))
	w.look("must have the record", m.denies.Server.Addr(), m.name.Name, m.name.Type)
	w.layers(m.name.Name, m.name.Type, m.denies.Server.Addr(), m.has.Server.Addr())
}

func (w *writer) fixLong(m *long) {
	w.fix(trap.Note("lower the TTL of %s at its authority, to 300 s say, a full %d s before the address changes", m.name.Name, m.said.TTL))
	w.fix(w.flush(m.name.Name)...)
	w.look("the second column is the TTL that is left", m.said.Server.Addr(), m.name.Name, m.name.Type)
}

func (w *writer) fixMute(m *mute) {
	at := m.server.key.addr
	if cache, ok := w.runs(at); ok {
		w.fix(hostLook("it runs on this host: what does it say?", "journalctl -n 50 _PID=%s", strconv.FormatUint(uint64(cache.PID), 10)))
	}
	w.fix(trap.Note("bring %s back, or take it out of resolv.conf%s", at, instead(m.others)))
	w.fixTimeout()
	if len(m.server.failed) > 0 {
		w.look("must answer within a second", at, m.server.failed[0], "A")
	}
	w.Verify = append(w.Verify, w.place.Look("the way to it", "ip route get %s", at))
}

// fixTimeout makes each lookup wait for the silent resolver for a second only. It cures
// nothing, but an application that waits for 1 s is not down.
func (w *writer) fixTimeout() {
	r := w.base.resolver
	if r == nil || len(r.Nameservers) < 2 || r.Timeout <= 1 || !settable(r) {
		return
	}
	w.fix(finding.Step{
		Op:   finding.ResolvOp{Path: r.Path, Option: "timeout:1"},
		Does: fmt.Sprintf("until then: a lookup asks the next resolver after 1 s, not %d", r.Timeout),
		Risk: "a resolver that takes longer than a second for a far name is asked twice",
	})
	w.Undo = append(w.Undo, finding.Step{
		Op: finding.ResolvOp{Path: r.Path, Option: fmt.Sprintf("timeout:%d", r.Timeout)}, Does: "as it was: the last option counts",
	})
}

// settable tells whether an option can be appended to the resolv.conf that was read: it
// is that of the program, and no link to a file that another program writes.
func settable(r *event.Resolver) bool {
	return r.Link == "" && (!r.Elsewhere || r.Path != "/etc/resolv.conf")
}

func instead(others []netip.Addr) string {
	if len(others) == 0 {
		return ""
	}
	return fmt.Sprintf(": %s answers", others[0])
}

// runs gives the caching resolver of this host that a loopback address stands for.
func (w *writer) runs(at netip.Addr) (event.Cache, bool) {
	if !at.IsLoopback() || w.base.resolver == nil {
		return event.Cache{}, false
	}
	for _, c := range w.base.resolver.Caches {
		if c.Netns == w.base.key.Netns {
			return c, true
		}
	}
	return event.Cache{}, false
}
