// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sample

import "github.com/trapbpf/trapbpf/pkg/finding"

// Notices are records of the agent's own state, one of each action.
func Notices() []Named {
	return []Named{
		notice("events-lost", finding.EventsLost, finding.Medium, "events of kind drop were lost (ring)",
			finding.Notice{Kind: "drop", Stage: "ring", Count: 1234}),
		notice("hook-blind", finding.HookBlind, finding.Medium, "hook dns is not attached",
			finding.Notice{Hook: "dns", Why: "cgroup: not permitted by this kernel"}),
		notice("trap-blind", finding.TrapBlind, finding.Medium, "trap dns-caching cannot be seen",
			finding.Notice{Trap: finding.DNSCaching}),
		notice("sink-failing", finding.SinkFailing, finding.Medium, "sink siem does not take records",
			finding.Notice{Sink: "siem", Why: "dial tcp 192.0.2.9:6514: connect: connection refused|\u202e=\\"}),
		notice("sink-recovered", finding.SinkRecovered, finding.Low, "sink siem takes records again",
			finding.Notice{Sink: "siem"}),
		notice("updates-dropped", finding.UpdatesDropped, finding.Medium, "sink siem drops updates",
			finding.Notice{Sink: "siem", Count: 77, Why: "the spool is full: the oldest updates were dropped"}),
		notice("records-lost", finding.RecordsLost, finding.Medium, "sink siem has lost records",
			finding.Notice{Sink: "siem", Count: 2, Why: "refused: 400 Bad Request"}),
	}
}

func notice(name string, action finding.Action, severity finding.Severity, message string, about finding.Notice) Named {
	r := &finding.Record{
		Action: action, ID: "019cb005-36a8-7000-8000-00000000000a", Time: start(), Host: host(), Notice: &about,
	}
	r.Message, r.Severity = message, severity
	return Named{name, r}
}
