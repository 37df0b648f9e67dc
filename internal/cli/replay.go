// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"github.com/trapbpf/trapbpf/internal/engine"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/finding"
	"github.com/trapbpf/trapbpf/pkg/trace"
)

func newReplay(env Environment) *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "replay FILE",
		Short: "Run the engine over a recording, without a kernel or root",
		Long: `Reads a recording and gives the findings that the live run gave, byte for byte,
unless --trap or --quiet-period change the question. FILE may be - for standard
input. Exits 3 where there were findings.`,
		Example: `  trapbpf replay trouble.jsonl
  trapbpf replay --output json trouble.jsonl | jq .message`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return replay(cmd, env, &f, args[0])
		},
	}
	f.addOutput(c)
	return c
}

func replay(cmd *cobra.Command, env Environment, f *watchFlags, path string) error {
	set, err := f.parse(env)
	if err != nil {
		return err
	}
	file, err := openReplay(path)
	if err != nil {
		return err
	}
	defer file.Close() // only read
	reader, err := trace.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if set.traps, err = replayTraps(f, set, reader.Header()); err != nil {
		return err
	}
	quiet := time.Duration(reader.Header().Quiet)
	if cmd.Flags().Changed("quiet-period") {
		quiet = f.quiet
	}
	log := newLog(env.Stderr, env.StderrTerminal, set.color, zapcore.WarnLevel)
	out := newOutput(env, set, func() {}, log)
	count := 0
	e := engine.New(all.Detectors(set.traps...), quiet, engine.Out{Record: func(r *finding.Record) {
		count++
		out.writeNow(r)
	}})
	err = observeAll(reader, e)
	return replayed(finish(err, out, log), path, count)
}

// replayTraps takes --trap, else what the recording was made for.
func replayTraps(f *watchFlags, set settings, h trace.Header) ([]finding.Trap, error) {
	if len(f.traps) > 0 {
		return set.traps, nil
	}
	return parseTraps(h.Traps)
}

func openReplay(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	return file, nil
}

func observeAll(reader *trace.Reader, e *engine.Engine) error {
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		e.Observe(ev)
	}
}

// replayed gives the command's end: damage goes before findings, since the findings
// are of a part only.
func replayed(err error, path string, findings int) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w; the findings are of what comes before", path, err)
	case findings > 0:
		return errFindings
	default:
		return nil
	}
}
