// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/spf13/cobra"

// newProbe is the parent of the active tests.
func newProbe(env Environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "probe",
		Short: "Test actively: how large a packet a path carries, by which routes packets come and go, which DNS server is behind",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newProbeMTU(env), newProbeRoute(env), newProbeDNS(env))
	return c
}
