// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package journald

import (
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/journal"

	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

func TestFieldsAreTheJournalsOwn(t *testing.T) {
	e := sink.Entry{
		ID: "e1", Action: finding.Opened, Severity: finding.Medium,
		Line: []byte(`{"message":"MTU blackhole","trapbpf":{"trap":"mtu-blackhole","cause":"link-drops-oversize","finding":{"id":"f1"}}}`),
	}
	fields, message, err := fieldsOf(e)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"TRAPBPF_TRAP": "mtu-blackhole", "TRAPBPF_CAUSE": "link-drops-oversize", "TRAPBPF_FINDING_ID": "f1",
		"TRAPBPF_EVENT_ID": "e1", "TRAPBPF_ACTION": "finding-opened", "SYSLOG_IDENTIFIER": "trapbpf", "TRAPBPF_RECORD": string(e.Line),
	} {
		if fields[key] != want {
			t.Errorf("%s is %q, want %q", key, fields[key], want)
		}
	}
	if _, there := fields["TRAPBPF_STATUS"]; there || message != "MTU blackhole" {
		t.Errorf("message %q, fields %v", message, fields)
	}
	if got := priorityOf(e); got != journal.PriWarning {
		t.Errorf("priority %d", got)
	}
	ids := map[string]bool{}
	for _, id := range messageIDs() {
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || ids[id] {
			t.Errorf("%q is no message id of its own", id)
		}
		ids[id] = true
	}
}
