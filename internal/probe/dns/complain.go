// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import "fmt"

// complain says who gave no answer, or a bad one.
func (r *Report) complain() {
	for i := range r.Servers {
		row := &r.Servers[i]
		at := fmt.Sprintf("%s (%s)", row.Server, row.Layer)
		if row.Host != "" {
			at = fmt.Sprintf("%s (%s, a server of %s)", row.Server, row.Host, row.Zone)
		}
		switch {
		case row.Status == Silent:
			r.say("%s %s (asked %d times)", at, row.Error, row.Tries)
		case row.Status == Failing && row.RCode != "":
			r.say("%s answers with %s", at, row.RCode)
		case row.Status == Lame:
			r.say("%s does not speak for the zone: its answer has no authority (%s, no AA flag)", at, row.RCode)
		case row.Error != "":
			r.say("%s: %s", at, row.Error)
		}
		if row.Strangers > 0 {
			r.say("%d packets from %s answered nothing that was asked, and were not taken", row.Strangers, row.Server)
		}
	}
}

// sum draws the verdict.
func (r *Report) sum() {
	counts := map[Status]int{}
	for i := range r.Servers {
		row := &r.Servers[i]
		counts[row.Status]++
		if row.BehindSeconds != nil {
			r.BehindSeconds = max(r.BehindSeconds, *row.BehindSeconds)
		}
	}
	switch {
	case !r.answered():
		r.Verdict = VerdictUnanswered
	case counts[Behind]+counts[Denies] > 0:
		r.Verdict = VerdictBehind
	case counts[Differs] > 0:
		r.Verdict = VerdictDisagree
	case counts[Silent]+counts[Unreachable]+counts[Failing]+counts[Lame] > 0:
		r.Verdict = VerdictPartly
	default:
		r.Verdict = VerdictAgree
	}
}

// sayTruth ends with what holds, so that somebody who reads one line knows it.
func (r *Report) sayTruth(t *truth) {
	if r.Verdict != VerdictAgree && r.Verdict != VerdictPartly {
		return
	}
	if len(t.said) == 0 {
		r.say("all that answered agree with one another; no server of the zone could be asked")
		return
	}
	if has := t.all(r.Name); len(has) > 0 {
		r.say("all that answered agree with the zone: %s", list(has))
		return
	}
	r.say("all that answered agree with the zone: there is no such record")
}
