// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/trapbpf/trapbpf/internal/nearest"
	"github.com/trapbpf/trapbpf/internal/trap/all"
)

func newExplain(env Environment) *cobra.Command {
	return &cobra.Command{
		Use:   "explain TRAP",
		Short: "Print the runbook page of a trap, or of one cause",
		Long: `Prints how a trap shows itself, how it is recognised, how to look for it by hand,
how to fix it and how to verify that. A cause's name prints that cause alone.`,
		Example: `  trapbpf explain asymmetric-routing
  trapbpf explain ephemeral-ports-exhausted`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(topics(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := pageOf(args[0])
			if err != nil {
				return err
			}
			return page(env, text)
		},
	}
}

// pageOf gives a trap's page, or a cause's section of one.
func pageOf(topic string) (string, error) {
	for _, d := range all.Detectors() {
		if string(d.Trap()) == topic {
			return d.Page(), nil
		}
		if section := sectionOf(d.Page(), topic); section != "" {
			return section, nil
		}
	}
	return "", usagef("no page for %q%s", topic, nearest.Hint(topic, topics(), "there are "+strings.Join(trapNames(), ", ")))
}

// sectionOf gives the part of a page under the heading `## TOPIC`, "" where there
// is none.
func sectionOf(page, topic string) string {
	const mark = "\n## "
	_, rest, found := strings.Cut(page, mark+topic+"\n")
	if !found {
		return ""
	}
	section, _, _ := strings.Cut(rest, mark)
	return "## " + topic + "\n" + strings.TrimRight(section, "\n") + "\n"
}

// topics lists the traps and the causes that have a page.
func topics() []string {
	var names []string
	for _, d := range all.Detectors() {
		names = append(names, string(d.Trap()))
		for _, line := range strings.Split(d.Page(), "\n") {
			if cause, ok := strings.CutPrefix(line, "## "); ok && !strings.Contains(cause, " ") {
				names = append(names, cause)
			}
		}
	}
	return names
}

// page prints a text, through the user's pager where it is longer than the screen.
func page(env Environment, text string) error {
	if pager := pagerFor(env, text); pager != "" {
		c := exec.Command("sh", "-c", pager) // PAGER is a shell command by convention
		c.Stdin, c.Stdout, c.Stderr = strings.NewReader(text), os.Stdout, os.Stderr
		if c.Run() == nil {
			return nil
		}
	}
	_, err := io.WriteString(env.Stdout, text)
	if err != nil {
		return fmt.Errorf("print page: %w", err)
	}
	return nil
}

// pagerFor gives the pager's command, "" where the text fits or nobody looks.
func pagerFor(env Environment, text string) string {
	if !env.StdoutTerminal {
		return ""
	}
	_, height, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil || strings.Count(text, "\n") < height {
		return ""
	}
	if pager := env.Getenv("PAGER"); pager != "" {
		return pager
	}
	if _, err := exec.LookPath("less"); err != nil {
		return ""
	}
	return "less -FRX"
}
