// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// reality makes the DNS faults with programs of Debian's: a caching resolver, and
// clients of glibc's.
type reality struct {
	t     *testing.T
	start func(t testing.TB, s *space) *daemon
}

// TestRealResolversAndGlibcEndToEnd has the agent watch the DNS faults as Debian makes
// them: dnsmasq or unbound as the cache, getaddrinfo() in the programs.
func TestRealResolversAndGlibcEndToEnd(t *testing.T) {
	kerneltest.Exclusive(t)
	binary := buildAgent(t)
	faults := []struct {
		name, summary string
		cause         finding.Cause
		build         func(reality, *network) stage
	}{
		{"stale", "a cached record changes, and a program keeps the old address", causeStale, reality.stale},
		{"removed", "a name moves, and another that had the same address was removed", causeStale, reality.removed},
		{"behind", "one of two resolvers still has the old address", causeDisagree, reality.behind},
		{"long-ttl", "an answer that holds for a day", causeLongTTL, reality.dayLong},
		{"negative", "a cache keeps denying a name that was made", causeNegative, reality.negative},
		{"ndots", "a cluster's search list", causeNdots, reality.ndots},
		{"silent", "the first of two resolvers is frozen", causeSilent, reality.silent},
	}
	for name, start := range map[string]func(testing.TB, *space) *daemon{"dnsmasq": startDnsmasq, "unbound": startUnbound} {
		for _, f := range faults {
			t.Run(f.name+"-"+name, func(t *testing.T) {
				t.Parallel()
				r := reality{t, start}
				playScenario(t, binary, Scenario{
					Name: "glibc-" + f.name, Summary: f.summary, Trap: finding.DNSCaching, Cause: f.cause, Views: []string{"client"}, budget: nameBudget,
					build: func(n *network) stage { return f.build(r, n) },
				})
			})
		}
	}
	t.Run("translated", func(t *testing.T) {
		t.Parallel()
		r := reality{t: t}
		playScenario(t, binary, Scenario{
			Name: "glibc-translated", Summary: "questions are led to another resolver", TwinOf: "dns-silent", Views: []string{"client"},
			build: r.translated,
		})
	})
}

// conf writes a resolv.conf.
func (r reality) conf(lines ...string) string {
	return write(r.t, filepath.Join(r.t.TempDir(), "resolv.conf"), strings.Join(lines, "\n")+"\n")
}

// street is one whose first resolver is the real one.
func (r reality) street(n *network) (street, *daemon) {
	s := buildStreet(n)
	if n.err != nil {
		return s, nil // building has failed
	}
	return s, r.start(r.t, s.world)
}

// keeper is a program that resolves once and dials that for ever.
type keeper struct {
	cmd  *exec.Cmd
	late atomic.Uint64
	// moved is true once the agent can know that the address is an old one.
	moved atomic.Bool
}

func (r reality) keeper(s street, conf string, names ...string) *keeper {
	program := append([]string{"perl", "-e", perlApp, "dial", "0.2", fmt.Sprint(webPort)}, names...)
	return &keeper{cmd: s.client.glibc(conf, program...)}
}

func (k *keeper) run() job {
	return runLines(k.cmd, func(m *meter, verb, what string) {
		switch {
		case verb == "dialling" && what == streetOld && k.moved.Load():
			k.late.Add(1)
			m.strike()
		case verb == "connected" && what == streetNew:
			m.attempt(nil)
		}
	})
}

func (k *keeper) proof(reading) error {
	return atLeast("calls to the old address after its time", k.late.Load(), 1)
}

func (k *keeper) resolveAnew() { _ = syscall.Kill(k.cmd.Process.Pid, syscall.SIGHUP) }

func (k *keeper) judge(_ reading, s *Result) []string {
	told := s.first
	wrong := expect(nil, "the status", told.Trapbpf.Status, finding.Confirmed)
	wrong = expect(wrong, "the name", told.DNS.Question.Name, service)
	wrong = expect(wrong, "the old address", told.Trapbpf.DNS.StaleIP, streetOld)
	wrong = expect(wrong, "the process", told.Process.PID, uint32(k.cmd.Process.Pid))
	return expect(wrong, "the program", told.Process.Name, "perl")
}

// stale has getent beside the program, which follows.
func (r reality) stale(n *network) stage {
	s, _ := r.street(n)
	z := newZone()
	z.set(service, movedTTL, streetOld)
	conf := r.conf("nameserver " + streetFirst)
	app := r.keeper(s, conf, service)
	serve, away := move{old: streetOld, new: streetNew}.servers(n, s)
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), serve, app.run(),
			unmeasured(runGetent(s.client, conf, service, 3, func(_ *meter, text string) {
				app.moved.Store(strings.Contains(text, streetNew))
			})),
			after(movedAfter, func() { z.set(service, movedTTL, streetNew); away() })),
		proof: app.proof, judge: app.judge, obey: app.resolveAnew, heals: true,
	}
}

// removed is a name that moves, while one that had the same address is gone: nobody can
// mean that one any more. The program was given the address, so that by which name it
// means it is not known.
func (r reality) removed(n *network) stage {
	const gone = "static.shop.test"
	s, _ := r.street(n)
	z := newZone()
	z.set(service, movedTTL, streetOld)
	z.set(gone, movedTTL, streetOld)
	conf := r.conf("nameserver " + streetFirst)
	app := r.keeper(s, conf, streetOld, service) // somebody else resolved it
	var follows atomic.Bool
	var denied atomic.Int64 // since when, in ns
	serve, away := move{old: streetOld, new: streetNew}.servers(n, s)
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone), serve, app.run(),
			unmeasured(runGetent(s.client, conf, service, 2, func(_ *meter, text string) {
				follows.Store(strings.Contains(text, streetNew))
			})),
			unmeasured(runGetent(s.client, conf, gone, 2, func(_ *meter, text string) {
				if text != "" {
					return
				}
				denied.CompareAndSwap(0, time.Now().UnixNano())
				app.moved.Store(follows.Load() && time.Since(time.Unix(0, denied.Load())) > time.Second)
			})),
			after(movedAfter, func() { z.set(service, movedTTL, streetNew); z.remove(gone); away() })),
		proof: app.proof, judge: app.judge, obey: app.resolveAnew, heals: true,
	}
}

// behind has a record change that the cache keeps, while another resolver gives the new one.
func (r reality) behind(n *network) stage {
	s, cache := r.street(n)
	z := newZone()
	z.set(service, 60, streetOld)
	var news atomic.Uint64
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone, streetSecond),
			after(changedAfter, func() { z.set(service, 60, streetNew) }),
			runGetent(s.client, r.conf("nameserver "+streetFirst), service, 5, ignore),
			runGetent(s.client, r.conf("nameserver "+streetSecond), service, 4, func(m *meter, text string) {
				if strings.Contains(text, streetNew) && news.Add(1) == 2 { // the other was heard meanwhile
					m.strike()
				}
			})),
		proof: func(reading) error { return atLeast("answers with the new address", news.Load(), 2) },
		obey:  func() { cache.empty(r.t) },
		judge: judgeResolvers(finding.Suspected),
	}
}

// ignore is for a program whose answers do not matter.
func ignore(*meter, string) {}

// dayLong has a zone whose answers hold for a day and more: unbound cuts them to a day.
func (r reality) dayLong(n *network) stage {
	const day = 24 * 3600
	s, cache := r.street(n)
	z := newZone()
	z.set(service, day+60, streetNew)
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone),
			runGetent(s.client, r.conf("nameserver "+streetFirst), service, 4, func(m *meter, _ string) { m.strike() })),
		proof: func(rd reading) error { return atLeast("answers", rd.OK, 2) },
		obey: func() {
			z.set(service, 300, streetNew)
			cache.empty(r.t)
		},
		judge: func(_ reading, s *Result) []string {
			return expect(nil, "the severity", s.first.Event.Severity, finding.Low)
		},
	}
}

// negative asks the cache for a name before it is made; another resolver has it then.
func (r reality) negative(n *network) stage {
	s, cache := r.street(n)
	z := newZone()
	var had atomic.Int64 // since when, in ns
	var denials atomic.Uint64
	return stage{
		traffic: together(n.serveDNS(s.world, z.reply, streetZone, streetSecond),
			after(changedAfter, func() { z.set(service, 30, streetNew) }),
			runGetent(s.client, r.conf("nameserver "+streetFirst), service, 3, func(m *meter, text string) {
				since := had.Load()
				if text == "" && since != 0 && time.Since(time.Unix(0, since)) > time.Second {
					denials.Add(1)
					m.strike()
				}
			}),
			unmeasured(runGetent(s.client, r.conf("nameserver "+streetSecond), service, 3, func(_ *meter, text string) {
				if text != "" {
					had.CompareAndSwap(0, time.Now().UnixNano())
				}
			}))),
		proof: func(reading) error { return atLeast("denials of a name that exists", denials.Load(), 1) },
		obey:  func() { cache.empty(r.t) },
		judge: judgeResolvers(finding.Confirmed),
		heals: true,
	}
}

func (r reality) ndots(n *network) stage {
	s, _ := r.street(n)
	var lookups atomic.Uint64
	cmd := s.client.glibc(r.conf(strings.TrimSpace(clusterConf)), append([]string{"perl", "-e", perlApp, "look", "0.25", "0"}, outside()...)...)
	return stage{
		traffic: together(n.serveDNS(s.world, clusterZone().reply, streetZone),
			runLines(cmd, func(m *meter, verb, _ string) {
				if verb != "found" {
					return
				}
				m.attempt(nil)
				if lookups.Add(1) == 2 { // the pattern has been seen for two names
					m.strike()
				}
			})),
		proof: func(reading) error { return atLeast("lookups", lookups.Load(), 6) },
		judge: judgeNdots,
		heals: true,
	}
}

// silent freezes the first of two resolvers: glibc waits for it each time.
func (r reality) silent(n *network) stage {
	s, frozen := r.street(n)
	signal := func(sig syscall.Signal) { _ = syscall.Kill(frozen.cmd.Process.Pid, sig) }
	var froze atomic.Bool
	var vain atomic.Uint64
	third := make(chan struct{})
	conf := r.conf("nameserver "+streetFirst, "nameserver "+streetSecond, "options timeout:1")
	cmd := s.client.glibc(conf, append([]string{"perl", "-e", perlApp, "look", "0.25", "0"}, outside()...)...)
	f := failure{third: third}
	return stage{
		traffic: together(n.serveDNS(s.world, clusterZone().reply, streetZone, streetSecond), f.decides(waitsFor),
			after(changedAfter, func() { signal(syscall.SIGSTOP); froze.Store(true) }),
			runLines(cmd, func(m *meter, verb, _ string) {
				if verb == "found" {
					m.attempt(nil)
				}
				if verb == "asking" && froze.Load() && vain.Add(1) == 2 { // each asks for two types
					close(third)
				}
			})),
		proof: func(reading) error { return atLeast("questions in vain", vain.Load(), 2) },
		obey:  func() { signal(syscall.SIGCONT) },
		judge: judgeSilent(streetFirst, finding.Confirmed),
		heals: true,
	}
}

// translated has a rule of the client's own firewall lead its questions to another
// resolver: what leaves is not what the socket hears back from.
func (r reality) translated(n *network) stage {
	s := buildStreet(n)
	if n.err == nil {
		rules := "table ip lab { chain output {\ntype nat hook output priority -100\nip daddr " + streetFirst + " udp dport 53 dnat to " + streetSecond + "\n}\n}\n"
		if out, err := s.client.command("nft", rules).CombinedOutput(); err != nil {
			r.t.Fatalf("%v: %s", err, out)
		}
	}
	cmd := s.client.glibc(r.conf("nameserver "+streetFirst), append([]string{"perl", "-e", perlApp, "look", "0.1", "0"}, outside()...)...)
	return stage{
		traffic: together(n.serveDNS(s.world, clusterZone().reply, streetSecond),
			runLines(cmd, func(m *meter, verb, _ string) {
				if verb == "found" {
					m.attempt(nil)
				}
			})),
		proof: func(rd reading) error { return atLeast("lookups", rd.OK, 40) },
	}
}
