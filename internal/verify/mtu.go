// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package verify

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/internal/audit"
	"github.com/trapbpf/trapbpf/internal/firewall"
	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/probe/mtu"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// ends are the finding's connection as this host sees it.
func (j *job) ends() (from, peer netip.Addr, port uint16) {
	flow := j.Finding.Flow
	from, peer, port = flow.Source, flow.Destination, flow.DestinationPort
	if flow.Direction == "ingress" {
		from, peer, port = flow.Destination, flow.Source, flow.SourcePort
	}
	if flow.Transport != "tcp" {
		port = 0
	}
	return from, peer, port
}

// measure probes the path, and then asks how large the packets are that this host sends
// by it: a probe teaches the kernel what a router answers, as any packet would, so a host
// that hears of the limit and heeds it knows it now. Where the route itself names a size,
// nothing larger is sent, and nothing larger is tried.
func (j *job) measure() (*mtu.Result, uint32, error) {
	from, peer, port := j.ends()
	path, err := j.believed(peer, from)
	if err != nil {
		return nil, 0, err
	}
	o := mtu.Options{At: j.at, Peer: peer, From: from, Port: port}
	if set := int(path.Route.MTU); set >= mtu.MinSize && set <= mtu.MaxSize {
		o.Max = set
	}
	j.progress("probing the path to " + peer.String())
	result, err := mtu.Measure(j.ctx, o)
	j.progress("")
	if err != nil {
		return nil, 0, err
	}
	path, err = j.believed(peer, from)
	if err != nil {
		return nil, 0, err
	}
	return result, sizeOf(path), nil
}

func (j *job) believed(peer, from netip.Addr) (*event.Path, error) {
	answer, err := j.Host.Answer(j.ctx, event.Want{Of: event.KindPath, Netns: j.at.Inode, To: peer, From: from})
	if err != nil {
		return nil, err
	}
	path, ok := answer.(*event.Path)
	if !ok {
		return nil, host.ErrGone
	}
	return path, nil
}

// sizeOf gives the largest packet that is sent by a path: what ICMP has taught goes
// before the route's MTU, that before the device's.
func sizeOf(p *event.Path) uint32 {
	switch {
	case p.Learned != 0:
		return p.Learned
	case p.Route.MTU != 0:
		return p.Route.MTU
	default:
		return p.Link.MTU
	}
}

// measured has judge say what a measurement of the path means. Of a path that nothing came
// back on nothing can be said.
func (j *job) measured(judge func(peer netip.Addr, result *mtu.Result, size uint32) (Verdict, error)) (Verdict, error) {
	_, peer, _ := j.ends()
	result, size, err := j.measure()
	switch {
	case err == nil:
		return judge(peer, result, size)
	case !errors.Is(err, mtu.ErrUnreachable) || errors.Is(err, kernel.ErrPrivilege):
		return Unverified, err
	}
	j.says("%s does not answer probes of any size: %v", peer, err)
	if step, ok := j.inForce(); ok {
		j.says("in force, but not seen to help: %s", step.Shell())
	}
	return Unverified, nil
}

// path is mended where what this host sends now gets through.
func (j *job) path() (Verdict, error) {
	return j.measured(j.judgePath)
}

func (j *job) judgePath(peer netip.Addr, result *mtu.Result, size uint32) (Verdict, error) {
	switch {
	case result.Lost == 0:
		j.says("packets of %d bytes arrive at %s, and nothing larger was tried (%s, %d packets)", result.Passed, peer, result.Method, result.Packets)
	case result.Verdict == mtu.Silent:
		j.says("packets of %d bytes arrive at %s, of %d bytes vanish without a word (%s, %d packets)", result.Passed, peer, result.Lost, result.Method, result.Packets)
	default:
		j.says("packets of %d bytes arrive at %s, of %d bytes %s says that %d fit", result.Passed, peer, result.Lost, result.ToldBy, result.Told)
	}
	j.says("this host sends packets of up to %d bytes there", size)
	if int(size) <= result.Passed || result.Lost == 0 {
		return Mended, nil
	}
	return There, nil
}

// bogus is mended where nothing is too large any more, or the errors tell what fits. That
// the kernel falls back to tiny packets for one that tells nothing is no cure.
func (j *job) bogus() (Verdict, error) {
	return j.measured(j.judgeBogus)
}

func (j *job) judgeBogus(peer netip.Addr, result *mtu.Result, size uint32) (Verdict, error) {
	least := 68 // RFC 791
	if peer.Is6() {
		least = 1280 // RFC 8200, section 5
	}
	switch {
	case result.Lost == 0:
		j.says("packets of %d bytes arrive at %s, and this host sends no larger ones", result.Passed, peer)
		return Mended, nil
	case result.ToldBy.IsValid() && (result.Told < least || result.Told >= result.Lost):
		j.says("of packets of %d bytes %s says that %d fit, and %d do", result.Lost, result.ToldBy, result.Told, result.Passed)
		return There, nil
	}
	j.says("packets of %d bytes arrive at %s, of %d bytes do not; this host sends up to %d", result.Passed, peer, result.Lost, size)
	if int(size) <= result.Passed && result.ToldBy.IsValid() {
		return Mended, nil
	}
	return There, nil
}

// pathBack is mended where answers as large as this host invites come back. It invites
// them by the MSS of its handshakes, which follows the size that it sends itself.
func (j *job) pathBack() (Verdict, error) {
	return j.measured(j.judgeBack)
}

func (j *job) judgeBack(peer netip.Addr, result *mtu.Result, size uint32) (Verdict, error) {
	back := result.Passed
	switch {
	case result.Method != mtu.Echo && result.Returned == 0:
		j.says("%s does not answer echoes: the way back from it cannot be measured", peer)
		return j.byFix()
	case result.Returned != 0:
		back = result.Returned
		j.says("packets of %d bytes arrive at %s, and its answers of more than %d bytes do not come back", result.Passed, peer, back)
	default:
		j.says("echoes of %d bytes come back from %s", back, peer)
	}
	j.says("this host invites packets of up to %d bytes", size)
	if int(size) <= back || result.Lost == 0 && result.Returned == 0 {
		return Mended, nil
	}
	return There, nil
}

// link is mended where the audit has nothing to say of the device any more.
func (j *job) link() (Verdict, error) {
	dev, verdict := j.Finding.Egress, Mended
	o := audit.Options{Host: j.Host, Targets: []host.Target{j.at}, Traps: []finding.Trap{finding.MTUBlackhole}}
	err := audit.Run(j.ctx, o, func(r audit.Result) {
		if r.Cause != j.Finding.Cause || r.Level != audit.Risk && r.Level != audit.Fault {
			return
		}
		words := strings.FieldsFunc(r.Subject+" "+r.Message+" "+strings.Join(r.Evidence, " "), notOfName)
		if slices.Contains(words, dev) {
			j.says("%s", r.Message)
			verdict = There
		}
	})
	if err != nil {
		return Unverified, err
	}
	survey, err := j.Host.Survey(j.at)
	if err != nil {
		return Unverified, err
	}
	at := slices.IndexFunc(survey.Devices, func(d host.Device) bool { return d.Name == dev })
	if at < 0 {
		j.says("the device %s is gone", dev)
		return Mended, nil
	}
	now := survey.Devices[at].MTU
	j.says("%s has MTU %d", dev, now)
	if m := j.Finding.MTU; m != nil && verdict == Mended && now == m.Interface {
		j.says("that is what it had when it dropped packets of %d bytes and more", m.SmallestLost)
		return There, nil
	}
	return verdict, nil
}

func notOfName(r rune) bool { return strings.ContainsRune(" ,:;()", r) }

// overlay is mended where what enters the tunnel fits what is under it.
func (j *job) overlay() (Verdict, error) {
	from, peer, _ := j.ends()
	path, err := j.believed(peer, from)
	if err != nil {
		return Unverified, err
	}
	if path.Under.Name == "" || path.Link.Overhead == 0 {
		j.says("packets to %s leave by %s, which is no tunnel whose underlay is known", peer, path.Link.Name)
		return j.path()
	}
	size, fits := sizeOf(path), path.Under.MTU-min(path.Link.Overhead, path.Under.MTU)
	j.says("packets of up to %d bytes enter %s, which adds %d, and %s under it takes %d: what fits is %d",
		size, path.Link.Name, path.Link.Overhead, path.Under.Name, path.Under.MTU, fits)
	if size <= fits {
		return Mended, nil
	}
	return There, nil
}

// router is mended where its errors get out, or where TCP through it needs none.
func (j *job) router() (verdict Verdict, err error) {
	verdict = Unverified
	source := j.Finding.Flow.Source
	err = j.Host.Visit(j.at, func() error {
		rules, err := firewall.Inspect()
		if err != nil {
			j.says("not all firewall rules could be read: %v", err)
		}
		verdict = j.judgeRouter(rules, source, err == nil)
		return nil
	})
	return verdict, err
}

func (j *job) judgeRouter(rules *firewall.View, source netip.Addr, whole bool) Verdict {
	back := host.Inquire(host.Inquiry{To: source})
	fate := rules.Through(firewall.TooBig, source.Is6(), firewall.Output, firewall.Postrouting)
	for _, clamp := range rules.Clamps {
		if clamp.Hook == firewall.Forward || clamp.Hook == firewall.Postrouting {
			j.says("the chain %s %s %s keeps the MSS of new TCP connections small enough: they need no ICMP error", clamp.Family, clamp.Table, clamp.Chain)
			return Mended
		}
	}
	switch {
	case back.Error != "":
		j.says("there is no route to %s by which an ICMP error could leave: %s", source, back.Error)
		return There
	case fate.Certain():
		j.says("ICMP too-big errors are dropped on their way out by %s %s %s: %s", fate.At.Family, fate.At.Table, fate.At.Chain, fate.At.Rule)
		return There
	case fate.Drops:
		j.says("whether ICMP too-big errors get out depends on what %s %s %s asks of them: %s", fate.At.Family, fate.At.Table, fate.At.Chain, fate.At.Rule)
	case whole:
		j.says("ICMP too-big errors to %s get out by %s, and no firewall rule drops them", source, back.Taken.Iface)
		return Mended
	}
	if step, ok := j.inForce(); ok {
		j.says("in force: %s", step.Shell())
		return Mended
	}
	return Unverified
}
