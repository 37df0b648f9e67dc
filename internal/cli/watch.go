// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/trapbpf/trapbpf/internal/agent"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/trapbpf/trapbpf/pkg/trace"
)

func newWatch(env Environment) *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "watch",
		Short: "Watch this host and tell each finding as it appears",
		Long: `Watches the kernel until interrupted and tells which connections fell into a trap,
with evidence, fix and verification. Silent when nothing is wrong. Needs root.`,
		Example: `  sudo trapbpf watch
  sudo trapbpf watch --trap asymmetric-routing --netns web
  sudo trapbpf watch --output json --for 10m > findings.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := applyConfig(cmd, f.config); err != nil {
				return err
			}
			return watch(cmd.Context(), env, &f, nil)
		},
	}
	f.addLive(c)
	f.addOutput(c)
	return c
}

// watch runs the agent until ctx ends, the time is over, or nobody reads any more.
func watch(ctx context.Context, env Environment, f *watchFlags, record *recordFile) error {
	set, err := f.parse(env)
	if err != nil {
		return err
	}
	level := zapcore.InfoLevel
	if f.debug {
		level = zapcore.DebugLevel
	}
	log := newLog(env.Stderr, env.StderrTerminal, set.color, level)
	defer log.Sync() //nolint:errcheck // stderr has nothing to sync
	ctx, cancel := f.limit(ctx)
	defer cancel()
	defer env.onHangup(ctx, func() { hungUp(env, cancel, log) })()
	out := newOutput(env, set, cancel, log)
	keeper := newWatchKeeper(env, log)
	defer keeper.close()
	config := agent.Config{
		Traps: set.traps, Netns: f.netns, Quiet: f.quiet, Confirm: f.confirm, Rung: f.rung,
		Reduce: env.Reduce,
		Record: func(r *finding.Record) { keeper.write(r); out.write(r) }, Lost: out.lose, Log: log, Version: env.Version,
	}
	if record != nil {
		config.Recording = record.writer
	}
	return finish(runAgent(ctx, config), out, log)
}

// hungUp ends a watch whose terminal is gone. Elsewhere SIGHUP asks a service to reload,
// and here there is nothing that could be.
func hungUp(env Environment, cancel func(), log *zap.Logger) {
	if env.StdoutTerminal || env.StderrTerminal {
		cancel()
		return
	}
	log.Info("nothing to reload: only `trapbpf run` reads its configuration again")
}

func runAgent(ctx context.Context, config agent.Config) error {
	a, err := agent.Open(config)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// flushWithin bounds how long the records may take to their readers once the agent
// has stopped: SIGTERM to exit is to take 3 s at most.
const flushWithin = 2 * time.Second

func finish(err error, out *output, log *zap.Logger) error {
	if flushed := out.close(); flushed != nil {
		log.Warn("records left behind", zap.Error(flushed))
	}
	return err
}

// limit ends the context after --for.
func (f *watchFlags) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.duration > 0 {
		return context.WithTimeout(ctx, f.duration)
	}
	return context.WithCancel(ctx)
}

// header says how a recording with these flags is made.
func (f *watchFlags) header(env Environment) trace.Header {
	return trace.Header{
		Kernel: agent.Release(), Architecture: architecture(), Version: env.Version,
		Quiet: trace.Duration(f.quiet), Traps: f.traps,
	}
}
