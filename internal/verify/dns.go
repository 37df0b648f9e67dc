// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/probe/dns"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// longTTL is from when on an answer's life is said to be too long, in seconds: the
// detector's own.
const longTTL = 86400

// ask puts the finding's question to servers, from its namespace, and to the zone's own.
// Nil where there is nothing to ask, or nobody answers.
func (j *job) ask(servers ...string) (*dns.Report, error) {
	d := j.Finding.DNS
	if d == nil {
		j.says("the finding names no question")
		return nil, nil
	}
	o := dns.Options{Name: d.Question, Type: d.Type, Dial: host.DialFrom(j.at), Progress: j.Progress}
	if o.Type == "" {
		o.Type = "A"
	}
	for _, word := range servers {
		if addr, err := netip.ParseAddr(word); err == nil {
			o.Servers = append(o.Servers, dns.Server{Layer: dns.Given, Addr: netip.AddrPortFrom(addr, dns.Port)})
		}
	}
	if name, err := dns.ParseName(o.Name); err == nil {
		o.Name = name
	} else {
		j.says("%q cannot be asked for: %v", o.Name, err)
		return nil, nil
	}
	report, err := dns.Probe(j.ctx, o)
	j.progress("")
	if err != nil && !errors.Is(err, dns.ErrUnanswered) {
		return nil, err
	}
	return report, nil
}

// rowOf gives what a server said, nil where it was not asked.
func rowOf(r *dns.Report, server string) *dns.Row {
	if r == nil {
		return nil
	}
	at := slices.IndexFunc(r.Servers, func(row dns.Row) bool { return row.Layer == dns.Given && row.Server == server })
	if at < 0 {
		return nil
	}
	return &r.Servers[at]
}

// answered tells whether a server said anything of use.
func answered(row *dns.Row) bool {
	return row != nil && (row.RCode == "NOERROR" || row.RCode == "NXDOMAIN")
}

func words(row *dns.Row) string {
	switch {
	case row == nil:
		return "was not asked"
	case len(row.Answers) > 0:
		return "answers " + strings.Join(row.Answers, ", ")
	case answered(row):
		return "says that there is nothing"
	default:
		return strings.TrimSpace("gives no answer " + row.RCode + " " + row.Error)
	}
}

// stale is mended where no resolver gives the old address, nobody is connected to it,
// and the program that kept it runs no more.
func (j *job) stale() (Verdict, error) {
	d := j.Finding.DNS
	report, err := j.ask(d.Resolver)
	if err != nil {
		return Unverified, err
	}
	row := rowOf(report, d.Resolver)
	if row != nil {
		j.says("%s %s", d.Resolver, words(row))
		if slices.Contains(row.Answers, d.StaleIP) {
			return There, nil
		}
	}
	survey, err := j.Host.Survey(j.at)
	if err != nil {
		return Unverified, err
	}
	for _, one := range survey.Sockets.Rows {
		if one.Destination.Addr().String() == d.StaleIP && one.Live > 0 {
			j.says("%d connections to the old address %s are open", one.Live, d.StaleIP)
			return There, nil
		}
	}
	j.says("no connection to the old address %s is open", d.StaleIP)
	p := j.Finding.Process
	if p.PID != 0 && runs(p.PID, p.Name, p.Executable) {
		j.says("%s (pid %d) still runs: whether it keeps the address shows with its next connection", p.Name, p.PID)
		return Unverified, nil
	}
	j.says("%s (pid %d) runs no more", p.Name, p.PID)
	return Mended, nil
}

// runs tells whether a finding's process is still there. It is known by its executable,
// replaced on disk or not: its name is its first thread's, which a program may change at
// any time. By that it is known where the executable was not, or may not be looked at.
func runs(pid uint32, name, executable string) bool {
	const replaced = " (deleted)"
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if executable == "" || errors.Is(err, fs.ErrPermission) {
		return commOf(pid) == name
	}
	return err == nil && strings.TrimSuffix(path, replaced) == strings.TrimSuffix(executable, replaced)
}

// commOf gives the name of a process, "" where it is gone.
func commOf(pid uint32) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// disagree is mended where both servers have an answer in common.
func (j *job) disagree() (Verdict, error) {
	one, other, err := j.both()
	if err != nil || one == nil {
		return Unverified, err
	}
	for _, answer := range one.Answers {
		if slices.Contains(other.Answers, answer) {
			return Mended, nil
		}
	}
	if len(one.Answers) == 0 && len(other.Answers) == 0 {
		return Mended, nil
	}
	return There, nil
}

// denial is mended where the server that denied the name has it, or the other has it no
// more.
func (j *job) denial() (Verdict, error) {
	denies, has, err := j.both()
	switch {
	case err != nil || denies == nil:
		return Unverified, err
	case len(denies.Answers) == 0 && len(has.Answers) > 0:
		return There, nil
	default:
		return Mended, nil
	}
}

// both asks the two servers that a finding compares; nil where one of them is silent.
func (j *job) both() (one, other *dns.Row, err error) {
	d := j.Finding.DNS
	report, err := j.ask(d.Resolver, d.OtherResolver)
	if err != nil {
		return nil, nil, err
	}
	one, other = rowOf(report, d.Resolver), rowOf(report, d.OtherResolver)
	j.says("%s %s", d.Resolver, words(one))
	j.says("%s %s", d.OtherResolver, words(other))
	if !answered(one) || !answered(other) {
		return nil, nil, nil
	}
	return one, other, nil
}

// search is mended where the resolv.conf that the program reads has its names asked for
// as they are.
func (j *job) search() (Verdict, error) {
	d := j.Finding.DNS
	answer, err := j.Host.Answer(j.ctx, event.Want{Of: event.KindResolver, Netns: j.at.Inode, PID: j.Finding.Process.PID, Cgroup: j.Finding.Process.Cgroup})
	if err != nil {
		return Unverified, err
	}
	conf, ok := answer.(*event.Resolver)
	if !ok {
		j.says("the program's resolv.conf could not be read")
		return Unverified, nil
	}
	j.says("%s: ndots:%d, search %s", conf.Path, conf.Ndots, strings.Join(conf.Search, " "))
	if dns.NewSearch(d.Question, conf.Ndots, conf.Search) != nil {
		j.says("%s has %d dots: the search list goes first", d.Question, strings.Count(strings.TrimSuffix(d.Question, "."), "."))
		return There, nil
	}
	if d.Ndots <= strings.Count(strings.TrimSuffix(d.Question, "."), ".") {
		j.says("that did not ask for the search list when it was found, either: the program has a list of its own")
		return Unverified, nil
	}
	j.says("%s is asked for as it is", d.Question)
	return Mended, nil
}

// lifetime is mended where the zone gives the record a shorter life; without a word from
// it, where the resolver does.
func (j *job) lifetime() (Verdict, error) {
	d := j.Finding.DNS
	report, err := j.ask(d.Resolver)
	if err != nil || report == nil {
		return Unverified, err
	}
	var longest *uint32
	for _, layer := range []dns.Layer{dns.Authority, dns.Given} {
		for i := range report.Servers {
			row := &report.Servers[i]
			if row.Layer == layer && row.TTLLeft != nil && len(row.Answers) > 0 && longest == nil {
				longest = row.TTLLeft
				j.says("%s (%s) gives it %d s", row.Server, row.Layer, *row.TTLLeft)
			}
		}
	}
	switch {
	case longest == nil:
		j.says("nobody answers")
		return Unverified, nil
	case *longest >= longTTL:
		return There, nil
	default:
		return Mended, nil
	}
}

// mute is mended where the resolver answers.
func (j *job) mute() (Verdict, error) {
	d := j.Finding.DNS
	server := d.Resolver
	if server == "" {
		server = j.Finding.Flow.Destination.String()
	}
	report, err := j.ask(server)
	if err != nil || report == nil {
		return Unverified, err
	}
	row := rowOf(report, server)
	j.says("%s %s", server, words(row))
	if answered(row) {
		return Mended, nil
	}
	return There, nil
}
