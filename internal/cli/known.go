// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/ledger"
	"github.com/trapbpf/trapbpf/internal/nearest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// ledgers says where the agents of this host keep their findings.
type ledgers struct {
	state string // the service's state directory
	watch string // the folder of the watches' ledgers
}

// read gives what is in the ledgers. One that cannot be read is an error beside the
// others' findings.
func (l ledgers) read() ([]ledger.Findings, error) {
	all, damage := ledger.ReadFolder(l.watch)
	one, err := ledger.Read(filepath.Join(l.state, ledger.ServiceName))
	switch {
	case errors.Is(err, os.ErrNotExist): // no service ran here
	case err != nil:
		damage = errors.Join(damage, err)
	default:
		all = append([]ledger.Findings{one}, all...)
	}
	if errors.Is(damage, os.ErrPermission) {
		damage = fmt.Errorf("%w: findings are root's to read: run it as root: %w", kernel.ErrPrivilege, damage)
	}
	return all, damage
}

// addFlag adds the flag that says where the service's findings are.
func (l *ledgers) addFlag(c *cobra.Command) {
	l.watch = watchFolder
	c.Flags().StringVar(&l.state, "state-directory", config.Default().StateDirectory,
		"the service keeps its findings in this `DIRECTORY`")
}

// find gives the finding that an id, or the beginning of one, means.
func (l ledgers) find(id string) (*finding.Record, error) {
	all, damage := l.read()
	if id == "" {
		return nil, usagef("an id of a finding is needed: see `trapbpf findings --all`")
	}
	var ids []string
	fits := map[string]*finding.Record{}
	for _, one := range all {
		for _, r := range one.Records {
			ids = append(ids, r.Finding.ID)
			if strings.HasPrefix(r.Finding.ID, id) {
				fits[r.Finding.ID] = r
			}
		}
	}
	if r := fits[id]; r != nil {
		return r, nil
	}
	switch {
	case len(fits) > 1:
		return nil, usagef("%d findings have an id that begins with %q: give more of it", len(fits), id)
	case len(fits) == 0 && damage != nil:
		return nil, damage
	case len(fits) == 0:
		return nil, usagef("no finding %q%s", id, nearest.Hint(id, ids, "see `trapbpf findings --all`"))
	}
	for _, r := range fits {
		return r, nil
	}
	return nil, nil
}

// complete offers the ids of the findings.
func (l *ledgers) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, err := l.read()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, one := range all {
		for _, r := range one.Records {
			ids = append(ids, r.Finding.ID+"\t"+r.Message)
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}
