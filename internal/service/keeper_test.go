// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"testing"

	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/internal/sink"
)

func TestLedgerRemembersAllThatMayWaitForASink(t *testing.T) {
	const waiting = sink.Reserve*sink.DefaultQueue + 1 // and the one that is being written
	if ledger.MostUntold < waiting {
		t.Errorf("%d records may wait, %d are remembered", waiting, ledger.MostUntold)
	}
}
