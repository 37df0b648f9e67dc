// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"net/netip"
	"time"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

// kept is a record as it stands in the file. A record and its finding both have an ID,
// so the finding needs a key of its own.
type kept struct {
	Finding  finding.Finding `json:"finding"`
	Action   finding.Action  `json:"action"`
	ID       string          `json:"id"`
	Sequence uint64          `json:"sequence"`
	Time     time.Time       `json:"time"`
	Reason   string          `json:"reason,omitempty"`
	Alert    bool            `json:"alert,omitempty"`
	Host     finding.Host    `json:"host"`
	// Asked is the part of DNS that a record tells elsewhere, so that its own JSON lacks it.
	Asked *asked `json:"asked,omitempty"`
}

type asked struct {
	Question     string       `json:"question,omitempty"`
	Type         string       `json:"type,omitempty"`
	ResponseCode string       `json:"response_code,omitempty"`
	ResolvedIP   []netip.Addr `json:"resolved_ip,omitempty"`
}

func keep(r *finding.Record) *kept {
	k := &kept{
		Finding: r.Finding, Action: r.Action, ID: r.ID, Sequence: r.Sequence,
		Time: r.Time, Reason: r.Reason, Alert: r.Alert, Host: r.Host,
	}
	if d := r.DNS; d != nil {
		k.Asked = &asked{d.Question, d.Type, d.ResponseCode, d.ResolvedIP}
	}
	return k
}

func (k *kept) record() *finding.Record {
	if d, a := k.Finding.DNS, k.Asked; d != nil && a != nil {
		d.Question, d.Type, d.ResponseCode, d.ResolvedIP = a.Question, a.Type, a.ResponseCode, a.ResolvedIP
	}
	return &finding.Record{
		Finding: k.Finding, Action: k.Action, ID: k.ID, Sequence: k.Sequence,
		Time: k.Time, Reason: k.Reason, Alert: k.Alert, Host: k.Host,
	}
}
