// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package columns

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

func (p *page) block(r *finding.Record) {
	word, color := headline(r.Severity)
	p.heading(word, color, r.Message)
	p.note(string(r.Status), fmt.Sprintf("%d%% sure", r.Confidence), string(r.Cause), p.date(r.Time))
	p.newline()
	p.row("where", where(r)...)
	p.row("who", who(r.Process))
	p.row("seen", seenSince(p, r))
	p.row("error", r.ErrorCode)
	p.row("symptom", r.Symptoms...)
	p.row("why", r.Evidence...)
	p.row("but", r.Against...)
	p.row("sure", r.ConfidenceWhy...)
	p.steps("fix", r.Fix)
	p.steps("keep", r.Persistent)
	p.steps("undo", r.Undo)
	p.steps("verify", r.Verify)
	p.row("more", more(r)...)
}

// more names the commands that go on from here.
func more(r *finding.Record) []string {
	return []string{
		"trapbpf explain " + string(r.Trap),
		"trapbpf fix " + r.Finding.ID + " prints the fix by steps, with --apply does one",
		"trapbpf verify " + r.Finding.ID + " looks whether it is mended",
	}
}

// where names the place from the largest to the smallest.
func where(r *finding.Record) []string {
	var place []string
	if r.Host.Name != "" {
		place = append(place, "host "+r.Host.Name)
	}
	if n := namespace(r.Netns); n != "" {
		place = append(place, n)
	}
	return []string{strings.Join(place, ", "), interfaces(r), flow(r.Flow), question(r.DNS)}
}

func namespace(n finding.Netns) string {
	switch {
	case n.Name != "" && n.Inode != 0:
		return fmt.Sprintf("namespace %s (%d)", n.Name, n.Inode)
	case n.Name != "":
		return "namespace " + n.Name
	case n.Inode != 0:
		return fmt.Sprintf("namespace %d", n.Inode)
	default:
		return ""
	}
}

// interfaces tells a way out from the way back that the kernel would take: only the
// latter is in Route.
func interfaces(r *finding.Record) string {
	var parts []string
	if r.Ingress != "" {
		parts = append(parts, "in by "+r.Ingress)
	}
	switch {
	case r.Route == nil || r.Route.Expected == "":
		if r.Egress != "" {
			parts = append(parts, "out by "+r.Egress)
		}
	case r.Route.Back == "":
		parts = append(parts, "the way back is by "+r.Route.Expected)
	default:
		parts = append(parts, "the way back is by "+r.Route.Expected+": "+r.Route.Back)
	}
	return strings.Join(parts, ", ")
}

func flow(f finding.Flow) string {
	icmp := f.Transport == "icmp" || f.Transport == "ipv6-icmp"
	if icmp {
		f.SourcePort, f.DestinationPort = 0, 0
	}
	source, destination := end(f.Source, f.SourcePort), end(f.Destination, f.DestinationPort)
	var text string
	switch {
	case source == "" && destination == "":
		return ""
	case source == "":
		text = "to " + destination
	case destination == "":
		text = "from " + source
	default:
		text = source + " -> " + destination
	}
	if f.Transport != "" {
		text += ", " + f.Transport
	}
	return text
}

func end(addr netip.Addr, port uint16) string {
	switch {
	case !addr.IsValid():
		return ""
	case port == 0:
		return addr.Unmap().String()
	default:
		return netip.AddrPortFrom(addr.Unmap(), port).String()
	}
}

func question(d *finding.DNS) string {
	if d == nil || d.Question == "" {
		return ""
	}
	return strings.TrimSpace("name " + d.Question + " " + d.Type)
}

// shortID is how much of a container's id people use.
const shortID = 12

func who(p finding.Process) string {
	var parts []string
	switch {
	case p.Name != "" && p.PID != 0:
		parts = append(parts, p.Name+" (pid "+strconv.FormatUint(uint64(p.PID), 10)+")")
	case p.PID != 0:
		parts = append(parts, "pid "+strconv.FormatUint(uint64(p.PID), 10))
	case p.Name != "":
		parts = append(parts, p.Name)
	}
	if p.Executable != "" {
		parts = append(parts, p.Executable)
	}
	if p.Unit != "" {
		parts = append(parts, p.Unit)
	}
	if pod := p.Pod; pod != (finding.Pod{}) {
		parts = append(parts, "pod "+podName(pod))
	}
	if name := p.Pod.Container; name != "" {
		parts = append(parts, "container "+name)
	} else if id := p.ContainerID; id != "" {
		parts = append(parts, "container "+id[:min(shortID, len(id))])
	}
	return strings.Join(parts, ", ")
}

// podName is how kubectl takes it; a pod of which only the UID is known is told by that.
func podName(p finding.Pod) string {
	if p.Name == "" {
		return p.UID
	}
	return p.Namespace + "/" + p.Name
}

// seen tells how often, over how long.
func seen(r *finding.Record) string {
	if r.Count == 0 {
		return ""
	}
	text := "seen " + times(r.Count)
	if d := r.Last.Sub(r.First); d > 0 {
		text += " in " + span(d)
	}
	return text
}

func seenSince(p *page, r *finding.Record) string {
	text := strings.TrimPrefix(seen(r), "seen ")
	if !r.First.IsZero() {
		text = strings.TrimPrefix(text+", since "+p.clock(r.First), ", ")
	}
	if r.Lossy {
		text += "; events were lost meanwhile, so it may be more"
	}
	return text
}

func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return strconv.FormatUint(n, 10) + " times"
}

// steps shows what each does, the line to paste, and what it may cost. A remark is
// a shell comment that fixes nothing by itself, and is shown as text.
func (p *page) steps(label string, steps []finding.Step) {
	for i, step := range steps {
		if i > 0 {
			label = ""
		}
		line := step.Shell()
		if remark, ok := strings.CutPrefix(line, "# "); ok {
			p.row(label, remark)
			continue
		}
		p.label(label)
		p.command(line)
		p.detail(step.Does)
		if step.Risk != "" {
			p.detail("risk: " + step.Risk)
		}
	}
}
