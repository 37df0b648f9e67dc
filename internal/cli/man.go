// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "man",
		Short: "Print the manual page, or write every command's into a directory",
		Example: `  trapbpf man | man -l -
  trapbpf man --dir /usr/local/share/man/man8`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "TRAPBPF", Section: "8", Source: "trapbpf", Manual: "System Administration"}
			if dir == "" {
				return doc.GenMan(root, header, cmd.OutOrStdout())
			}
			if err := os.MkdirAll(dir, 0o755); err != nil { // manual pages are for everybody
				return fmt.Errorf("make manual directory: %w", err)
			}
			header.Title = ""
			return doc.GenManTree(root, header, dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "write one page per command into this `DIRECTORY`")
	return c
}
