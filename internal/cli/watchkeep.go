// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"path/filepath"
	"sync"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// watchFolder holds the ledgers of the watches that run. It doesn't outlive the host,
// as no watch does.
const watchFolder = "/run/trapbpf"

// watchKeeper keeps a watch's findings for the commands that speak of them by id. The
// ledger is made with the first finding, and is gone with the watch: best effort. What a
// watch that was killed has left is there to look at until the next one finds something.
type watchKeeper struct {
	path string
	head ledger.Head
	log  *zap.Logger

	mu     sync.Mutex
	ledger *ledger.Ledger
	failed bool
}

func newWatchKeeper(env Environment, log *zap.Logger) *watchKeeper {
	head := ledger.HeadOf(env.Version)
	name := fmt.Sprintf("watch-%d%s", head.PID, ledger.Extension)
	return &watchKeeper{path: filepath.Join(watchFolder, name), head: head, log: log}
}

// write keeps a record; the first failure is told, and ends the keeping.
func (k *watchKeeper) write(r *finding.Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed {
		return
	}
	err := k.open()
	if err == nil {
		err = k.ledger.Write(r)
	}
	if err != nil {
		k.failed = true
		k.log.Warn("finding not kept: `trapbpf findings` and `trapbpf fix` will not know it", zap.Error(err))
	}
}

func (k *watchKeeper) open() error {
	if k.ledger != nil {
		return nil
	}
	swept, err := ledger.Sweep(watchFolder)
	if err != nil {
		k.log.Warn("findings of watches that were killed stay", zap.Error(err))
	}
	if swept > 0 {
		k.log.Info("removed the findings of watches that were killed", zap.Int("watches", swept))
	}
	opened, _, err := ledger.Open(k.path, k.head)
	k.ledger = opened
	return err
}

// close removes the ledger.
func (k *watchKeeper) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failed = true // a record that comes late is not kept
	if k.ledger == nil {
		return
	}
	_ = k.ledger.Close() // it goes away
	if err := ledger.Remove(k.path); err != nil {
		k.log.Warn("findings of this watch left behind", zap.Error(err))
	}
}
