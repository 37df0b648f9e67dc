// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// keeper writes findings to the ledger. An agent goes on without one that fails. The
// service's telling guards it.
type keeper struct {
	ledger *ledger.Ledger
	log    *zap.Logger
	failed bool
}

// openLedger takes hold of the state directory's ledger.
func (s *Service) openLedger() (ledger.Left, error) {
	path := filepath.Join(s.config.StateDirectory, ledger.ServiceName)
	opened, left, err := ledger.Open(path, ledger.HeadOf(s.options.Version))
	if err != nil {
		return left, err
	}
	if left.Damage != nil {
		s.log.Warn("findings of an earlier run not read", zap.Error(left.Damage))
	}
	s.keeper = &keeper{ledger: opened, log: s.log}
	return left, nil
}

// write keeps a record, and tells the first time that it cannot.
func (k *keeper) write(r *finding.Record) { k.say(k.ledger.Write(r)) }

// handed keeps that the sinks have all records that were written.
func (k *keeper) handed() { k.say(k.ledger.Handed()) }

func (k *keeper) say(err error) {
	if err != nil && !k.failed {
		k.log.Warn("finding not kept on disk: a restart would forget it", zap.Error(err))
	}
	k.failed = err != nil
}

// keptEvents gives the findings that an earlier run left open as events.
func keptEvents(left ledger.Left) ([]*event.Kept, error) {
	var kept []*event.Kept
	for _, r := range left.Open {
		text, err := json.Marshal(r.Finding)
		if err != nil {
			return nil, fmt.Errorf("go on with finding %s: %w", r.Finding.ID, err)
		}
		one := &event.Kept{
			Header: event.Header{Netns: event.Netns(r.Netns.Inode)},
			ID:     r.Finding.ID, Trap: string(r.Trap), Cause: string(r.Cause), Subject: r.Subject,
			Finding: string(text),
		}
		if left.Rebooted {
			one.Over = "the host was started anew"
		}
		kept = append(kept, one)
	}
	return kept, nil
}
