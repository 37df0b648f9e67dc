// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// auditLimit is how long the audit of one namespace may take.
const auditLimit = 30 * time.Second

// What the column of the audit says: the level at which it named the fault, that it
// saw nothing, or that it saw what is not there.
const (
	auditNothing = "nothing"
	auditFalse   = "false alarm"
)

// audited is what the lab reads of a line of `trapbpf check`.
type audited struct {
	Message string `json:"message"`
	Trapbpf struct {
		Trap  finding.Trap  `json:"trap"`
		Cause finding.Cause `json:"cause"`
		Check struct {
			Level   string `json:"level"`
			Subject string `json:"subject"`
		} `json:"check"`
	} `json:"trapbpf"`
}

// audit has the agent's binary look the namespaces over, before any packet flows, and
// compares: what shows without traffic must be named, and nothing else.
func (r *run) audit(ctx context.Context, netns []string) error {
	limit, cancel := r.limit(ctx, auditLimit)
	defer cancel()
	args := []string{"check", "--output", "json"}
	for _, name := range netns {
		args = append(args, "--netns", name)
	}
	command := exec.CommandContext(limit, r.Binary, args...)
	var said bytes.Buffer
	command.Stderr = &said
	output, err := command.Output()
	const findingsPresent = 3
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != findingsPresent) {
		return fmt.Errorf("audit %v: %w: %s", netns, err, said.String())
	}
	var lines []audited
	for line := range bytes.Lines(output) {
		var one audited
		if err := json.Unmarshal(line, &one); err != nil {
			return fmt.Errorf("read the audit of %v: %w", netns, err)
		}
		lines = append(lines, one)
	}
	r.judgeAudit(lines)
	return nil
}

// judgeAudit fills in the result's column. In a twin a risk is as wrong as a fault;
// beside a fault, a risk of another cause may well be true.
func (r *run) judgeAudit(lines []audited) {
	r.result.Audit = auditNothing
	for _, one := range lines {
		detail := one.Trapbpf
		what := fmt.Sprintf("%s %s/%s of %s: %s", detail.Check.Level, detail.Trap, detail.Cause, detail.Check.Subject, one.Message)
		switch {
		case detail.Check.Level == "blind":
			r.result.problem("the audit is %s", what)
		case detail.Check.Level == "ok":
		case r.Scenario.expects(detail.Trap, detail.Cause):
			if r.result.Audit != "fault" {
				r.result.Audit = detail.Check.Level
			}
			r.tell("audit: %s", what)
		case detail.Check.Level == "risk" && detail.Cause == r.Scenario.Risk:
			r.result.Audit = detail.Check.Level
			r.tell("audit: %s", what)
		case r.Scenario.Twin() || detail.Check.Level == "fault":
			r.result.Audit = auditFalse
			r.result.problem("the audit tells what is not there: %s", what)
		default:
			r.result.note("the audit tells beside it: %s", what)
		}
	}
	named := r.result.Audit != auditNothing
	_, unlisted := Find(r.Scenario.Name) // a test's own
	switch {
	case unlisted != nil || r.Scenario.Twin() || r.View != r.Scenario.Views[0] || named == (r.Scenario.unseen() == ""):
	case named:
		r.result.problem("the audit names what is told to show in traffic alone")
	default:
		r.result.problem("the audit does not name what shows without traffic")
	}
}
