// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
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
}

func keep(r *finding.Record) *kept {
	return &kept{r.Finding, r.Action, r.ID, r.Sequence, r.Time, r.Reason, r.Alert, r.Host}
}

func (k *kept) record() *finding.Record {
	return &finding.Record{
		Finding: k.Finding, Action: k.Action, ID: k.ID, Sequence: k.Sequence,
		Time: k.Time, Reason: k.Reason, Alert: k.Alert, Host: k.Host,
	}
}
