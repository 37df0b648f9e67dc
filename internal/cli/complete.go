// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/host"
)

// completeNetns offers the namespaces that have a name.
func completeNetns(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, at := range host.New(host.Real()).Namespaces() {
		if at.Name != "" {
			names = append(names, at.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
