// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/rand"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/pkg/trace"
)

func newRecord(env Environment) *cobra.Command {
	var f watchFlags
	var addresses, names bool
	c := &cobra.Command{
		Use:   "record FILE",
		Short: "Watch like `watch`, and keep the event stream in FILE for replay",
		Long: `Watches this host and keeps every event that the engine sees, facts about the host
included, so that ` + "`trapbpf replay FILE`" + ` comes to the same findings anywhere.`,
		Example: `  sudo trapbpf record --for 60s trouble.jsonl
  sudo trapbpf record --redact-addresses --redact-names trouble.jsonl`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := applyConfig(cmd, f.config); err != nil {
				return err
			}
			if _, err := f.parse(env); err != nil {
				return err
			}
			file, err := openRecord(args[0], f.header(env), redactor(addresses, names))
			if err != nil {
				return err
			}
			return file.close(watch(cmd.Context(), env, &f, file))
		},
	}
	f.addLive(c)
	f.addOutput(c)
	c.Flags().BoolVar(&addresses, "redact-addresses", false, "replace addresses, the same one always by the same, prefixes kept")
	c.Flags().BoolVar(&names, "redact-names", false, "replace names of hosts, processes, namespaces and containers")
	return c
}

// recordFile is a recording under way.
type recordFile struct {
	file   *os.File
	writer *trace.Writer
}

func openRecord(path string, h trace.Header, redact *trace.Redactor) (*recordFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open recording: %w", err)
	}
	writer, err := trace.NewWriter(file, h, redact)
	if err != nil {
		return nil, fmt.Errorf("begin recording %s: %w", path, err)
	}
	return &recordFile{file: file, writer: writer}, nil
}

// close ends the file; an error of the run goes before its own.
func (r *recordFile) close(err error) error {
	closed := r.file.Close()
	if err != nil {
		return err
	}
	if closed != nil {
		return fmt.Errorf("close recording: %w", closed)
	}
	return nil
}

// redactor gives one with a key that nobody keeps; nil where nothing is replaced.
func redactor(addresses, names bool) *trace.Redactor {
	if !addresses && !names {
		return nil
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails (crypto/rand, since Go 1.24)
	return trace.NewRedactor(key, addresses, names)
}
