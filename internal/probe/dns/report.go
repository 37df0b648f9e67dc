// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"errors"
	"slices"
	"time"
)

// Report is what a probe found. It is written as one JSON object, whose names are kept
// stable.
type Report struct {
	Timestamp time.Time `json:"@timestamp"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	// Netns is the network that was probed, as the user named it, "" for the own one.
	Netns   string  `json:"netns,omitempty"`
	Verdict Verdict `json:"verdict"`
	// Says puts the verdict into sentences, the weightiest first.
	Says []string `json:"says"`
	// BehindSeconds is after how long at the latest every server that is behind asks anew.
	BehindSeconds uint32  `json:"behind_seconds,omitempty"`
	Servers       []Row   `json:"servers"`
	Search        *Search `json:"search,omitempty"`
	// Queries is how many questions were sent, Took how many milliseconds it all took.
	Queries int64   `json:"queries"`
	Took    float64 `json:"took_ms"`
}

// Verdict sums a report up.
type Verdict string

// The verdicts, the worse ones first.
const (
	// VerdictUnanswered: nobody answered.
	VerdictUnanswered Verdict = "unanswered"
	// VerdictBehind: some server gives, or denies, what the zone no longer does.
	VerdictBehind Verdict = "behind"
	// VerdictDisagree: servers differ, and not for being late, or nobody can tell.
	VerdictDisagree Verdict = "disagree"
	// VerdictPartly: those that answered agree, others did not answer.
	VerdictPartly Verdict = "partly-unanswered"
	// VerdictAgree: all say the same.
	VerdictAgree Verdict = "agree"
)

// Row is one server's answer.
type Row struct {
	Layer  Layer  `json:"layer"`
	Server string `json:"server"`
	Port   uint16 `json:"port"`
	// Host and Zone are an authority's name and what it was asked for; Question is what
	// was asked where it is not the report's name.
	Host     string `json:"host,omitempty"`
	Zone     string `json:"zone,omitempty"`
	Question string `json:"question,omitempty"`
	Protocol string `json:"protocol"`
	RCode    string `json:"rcode,omitempty"`
	// Flags are the header's: AA, TC, RD, RA, AD.
	Flags []string `json:"flags,omitempty"`
	// Aliases lead from the name to the Answers.
	Aliases []string `json:"aliases,omitempty"`
	Answers []string `json:"answers,omitempty"`
	// TTLLeft is for how many seconds the answer holds yet, NegativeTTLLeft for how many
	// one does that there is nothing.
	TTLLeft         *uint32 `json:"ttl_left,omitempty"`
	NegativeTTLLeft *uint32 `json:"negative_ttl_left,omitempty"`
	// Latency is of the exchange that brought the answer, in milliseconds.
	Latency float64 `json:"latency_ms"`
	Tries   int     `json:"tries"`
	// Strangers counts packets that answered nothing that was asked.
	Strangers     int     `json:"strangers,omitempty"`
	Status        Status  `json:"status"`
	BehindSeconds *uint32 `json:"behind_seconds,omitempty"`
	// Error is why there is no answer, or not the whole.
	Error string `json:"error,omitempty"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r *Report) answered() bool {
	return slices.ContainsFunc(r.Servers, func(row Row) bool { return row.RCode == "NOERROR" || row.RCode == "NXDOMAIN" })
}

// newRow gives what a reply says, without comparing it.
func newRow(r *reply, name string) Row {
	row := Row{
		Server: r.server.Addr().String(), Port: r.server.Port(), Protocol: r.protocol,
		Latency: milliseconds(r.latency), Tries: r.tries, Strangers: r.strangers,
	}
	if r.asked.name != name {
		row.Question = r.asked.name
	}
	if r.err != nil {
		row.Error, row.Status = r.err.Error(), failure(r.err)
		return row
	}
	if r.cut != nil {
		row.Error = "the answer is cut short, and by TCP it " + r.cut.Error()
	}
	row.take(r.message, r.asked)
	return row
}

func (row *Row) take(m *message, q question) {
	row.RCode, row.Flags = m.code, m.flags
	names := m.chain(q)
	row.Aliases = names[1:]
	var used []record
	for _, name := range names {
		used = append(used, m.set(name, q.kind)...)
	}
	for _, r := range m.final(q) {
		row.Answers = append(row.Answers, r.data)
	}
	slices.Sort(row.Answers)
	if len(used) > 0 {
		ttl := least(used)
		row.TTLLeft = &ttl
	}
	if len(row.Answers) == 0 {
		row.NegativeTTLLeft = m.denial
	}
}

// failure gives the status of a server that gave no answer.
func failure(err error) Status {
	switch {
	case errors.Is(err, errSilent):
		return Silent
	case errors.Is(err, errRefused), errors.Is(err, errNoWay):
		return Unreachable
	default:
		return Failing
	}
}
