// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

const (
	// kubernetesNdots is what a pod needs at least: SERVICE.NAMESPACE has one dot.
	kubernetesNdots = 2
	// longTTL is a day: a record that changes is then wrong somewhere for as long.
	longTTL = 86400
)

// naming is what a namespace's programs resolve names by.
type naming struct {
	conf *event.Resolver
	// shared is true where the file is the host's, read for want of the namespace's own:
	// nobody says that its programs use it.
	shared  bool
	replies []reply
	name    string
}

// checkServers looks whether the nameservers answer. A resolver library asks the first
// and waits for seconds before it asks the next.
func checkServers(s *scene) (wrong []Result, looked []string) {
	n := &s.naming
	if n.conf == nil {
		return nil, nil
	}
	looked = append(looked, fmt.Sprintf("%s: %d nameservers", n.conf.Path, len(n.conf.Nameservers)))
	if n.shared {
		return nil, append(looked, "the file is the host's, not this namespace's: its nameservers were not asked from here")
	}
	var dead []reply
	for _, r := range n.replies {
		if r.answered {
			looked = append(looked, fmt.Sprintf("%s answered in %d ms", r.server, r.took.Milliseconds()))
			continue
		}
		dead = append(dead, r)
		looked = append(looked, fmt.Sprintf("%s did not answer %d questions: %s", r.server, asks, r.err))
	}
	if len(dead) == 0 {
		return nil, looked
	}
	r := Result{
		Level: Risk, Subject: dead[0].server.String(),
		Message:  fmt.Sprintf("the nameserver %s does not answer", dead[0].server),
		Evidence: looked,
		Verify:   []finding.Step{s.place.Look("must answer", "dig +tries=1 +time=2 @%s . NS", dead[0].server)},
	}
	if dead[0].server == n.replies[0].server {
		r.Level = Fault
		r.Message += fmt.Sprintf(", and it is the first: each lookup waits %d s for it", n.conf.Timeout)
	}
	r.Fix = append(r.Fix, trap.Note("look at %s: is it up, and is there a route and no firewall between? Else take its line out of %s", dead[0].server, n.conf.Path))
	if n.conf.Link != "" {
		r.Fix = append(r.Fix, trap.Note("the file is written by a program: it leads to %s", n.conf.Link))
	}
	return []Result{r}, looked
}

// checkSearch computes what one lookup of an outside name costs: with fewer dots than
// ndots, each search domain is tried first, for IPv4 and IPv6.
func checkSearch(s *scene) (wrong []Result, looked []string) {
	c := s.naming.conf
	if c == nil {
		return nil, nil
	}
	looked = append(looked, fmt.Sprintf("%s: ndots %d, search %s", c.Path, c.Ndots, strings.Join(c.Search, " ")))
	if c.Ndots <= kubernetesNdots || len(c.Search) == 0 {
		return nil, looked
	}
	r := Result{
		Level: Risk, Subject: c.Path,
		Message:  fmt.Sprintf("a name with fewer than %d dots is first tried in %d search domains", c.Ndots, len(c.Search)),
		Evidence: append(looked, fmt.Sprintf("one lookup makes up to %d queries instead of 2", 2*(len(c.Search)+1))),
		Verify:   []finding.Step{s.place.Look("the last ndots counts", "grep options %s", c.Path)},
	}
	op := finding.ResolvOp{Path: c.Path, Option: fmt.Sprintf("ndots:%d", kubernetesNdots)}
	if op.Valid() && c.Link == "" {
		r.Fix = append(r.Fix, finding.Step{Op: op, Does: "for programs that start from now on"})
		r.Undo = append(r.Undo, finding.Step{Op: finding.ResolvOp{Path: c.Path, Option: fmt.Sprintf("ndots:%d", c.Ndots)}, Does: "as it was: the last option counts"})
	}
	r.Persistent = append(r.Persistent, trap.Note("in a pod: dnsConfig: {options: [{name: ndots, value: \"%d\"}]}; or end names with a dot", kubernetesNdots))
	return []Result{r}, looked
}

// checkAnswers compares what the nameservers say of the name that was given.
func checkAnswers(s *scene) (wrong []Result, looked []string) {
	n := &s.naming
	if n.name == "" {
		return nil, nil
	}
	var known []reply
	for _, r := range n.replies {
		if !r.answered {
			continue
		}
		looked = append(looked, fmt.Sprintf("%s says %s %v, TTL %d", r.server, codeName(r.code), r.addrs, r.ttl))
		if r.ttl >= longTTL {
			wrong = append(wrong, Result{Level: Risk, Cause: "ttl-too-long", Subject: n.name, Evidence: looked,
				Message: fmt.Sprintf("%s may be remembered for %d s: a change takes as long to be seen", n.name, r.ttl)})
		}
		known = append(known, r)
	}
	for _, r := range known {
		if cause, differs := differ(known[0], r); differs {
			wrong = append(wrong, Result{Level: Risk, Cause: cause, Subject: n.name, Evidence: looked,
				Message: fmt.Sprintf("%s and %s disagree about %s", known[0].server, r.server, n.name),
				Verify:  []finding.Step{s.place.Look("must say the same", "dig @%s %s", r.server, n.name)}})
		}
	}
	return wrong, looked
}

// differ tells whether two answers have nothing in common. Round robin and CDNs share
// at least one address as a rule.
func differ(a, b reply) (finding.Cause, bool) {
	if (a.code == dnsmessage.RCodeNameError) != (b.code == dnsmessage.RCodeNameError) {
		return "negative-cached", true
	}
	if len(a.addrs) == 0 || len(b.addrs) == 0 {
		return "", false
	}
	for _, one := range a.addrs {
		for _, other := range b.addrs {
			if one == other {
				return "", false
			}
		}
	}
	return "resolvers-disagree", true
}

// codeName gives a code as dig writes it.
func codeName(code dnsmessage.RCode) string {
	switch code {
	case dnsmessage.RCodeSuccess:
		return "NOERROR"
	case dnsmessage.RCodeNameError:
		return "NXDOMAIN"
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	default:
		return code.String()
	}
}
