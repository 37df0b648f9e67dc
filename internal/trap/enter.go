// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"

	"github.com/trapbpf/trapbpf/internal/flow"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// Place is a namespace as a finding's steps address it.
type Place struct {
	Enter finding.Enter
	// Own is true where it is the namespace that the agent runs in: there files
	// under /etc keep a setting over a reboot.
	Own bool
}

// Where gives how a person gets into a namespace.
func Where(facts *flow.Facts, id event.Netns) Place {
	if id == facts.Host.AgentNetns {
		return Place{Own: true}
	}
	known := facts.Namespace(id).Name
	return Place{Enter: finding.Enter{Name: known.Name, Path: known.Path}}
}

// Do makes a step of an operation in this place.
func (p Place) Do(op finding.Op, does, risk string) finding.Step {
	return finding.Step{Op: op, Enter: p.Enter, Does: does, Risk: risk}
}

// Look makes a step of a command that a person runs in this place. Each argument
// fills a %s and is quoted for the shell where it must be.
func (p Place) Look(does, format string, args ...any) finding.Step {
	quoted := make([]any, len(args))
	for i, arg := range args {
		quoted[i] = finding.Quote(fmt.Sprint(arg))
	}
	return finding.Step{Op: finding.Command{Line: fmt.Sprintf(format, quoted...)}, Enter: p.Enter, Does: does}
}

// Note makes a step of a remark: a shell comment, so that a pasted list still runs.
func Note(format string, args ...any) finding.Step {
	return finding.Step{Op: finding.Command{Line: "# " + fmt.Sprintf(format, args...)}}
}

// Keep gives the steps that hold sysctls over a reboot: a file under /etc/sysctl.d
// for the agent's own namespace, and for any other the truth that sysctls are set
// where a namespace is made, since it inherits none.
func (p Place) Keep(file string, settings ...finding.Sysctl) []finding.Step {
	if p.Own {
		return []finding.Step{keepFile(file, settings)}
	}
	notes := []finding.Step{Note("a network namespace inherits no sysctl: set these where it is made")}
	for _, s := range settings {
		notes = append(notes, Note("docker run --sysctl '%s=%s', or securityContext.sysctls in a pod", s.Key, s.Value))
	}
	return notes
}

func keepFile(file string, settings []finding.Sysctl) finding.Step {
	var content string
	for _, s := range settings {
		content += s.Key + " = " + s.Value + "\n"
	}
	op := finding.FileOp{Path: "/etc/sysctl.d/60-trapbpf-" + file + ".conf", Content: content}
	return finding.Step{Op: op, Does: "keep it over a reboot (systemd-sysctl reads it at boot)"}
}
