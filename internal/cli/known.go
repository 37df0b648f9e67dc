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
	only  string // the one ledger to read, "" for all
}

// read gives what is in the ledgers. One that cannot be read is an error beside the
// others' findings.
func (l ledgers) read() ([]ledger.Findings, error) {
	all, damage := l.each()
	return all, privileged(damage)
}

// privileged says of an error for want of a right that root has it.
func privileged(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: findings are root's to read: run it as root: %w", kernel.ErrPrivilege, err)
	}
	return err
}

func (l ledgers) each() ([]ledger.Findings, error) {
	if l.only != "" {
		one, err := ledger.Read(l.only)
		if errors.Is(err, os.ErrNotExist) {
			return nil, usagef("there is no ledger %s: see `trapbpf findings --all`", l.only)
		}
		return []ledger.Findings{one}, err
	}
	all, damage := ledger.ReadFolder(l.watch)
	one, err := ledger.Read(filepath.Join(l.state, ledger.ServiceName))
	switch {
	case errors.Is(err, os.ErrNotExist): // no service ran here
	case err != nil:
		damage = errors.Join(damage, err)
	default:
		all = append([]ledger.Findings{one}, all...)
	}
	return all, damage
}

// addFlags adds the flags that say where the findings are.
func (l *ledgers) addFlags(c *cobra.Command) {
	l.watch = watchFolder
	c.Flags().StringVar(&l.state, "state-directory", config.Default().StateDirectory,
		"the service keeps its findings in this `DIRECTORY`")
	c.Flags().StringVar(&l.only, "ledger", "", "read this `FILE` of findings alone")
}

// find gives the finding that an id, or the beginning of one, means.
func (l ledgers) find(id string) (*finding.Record, error) {
	if id == "" {
		return nil, usagef("an id of a finding is needed: see `trapbpf findings --all`")
	}
	all, damage := l.read()
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
		fits = map[string]*finding.Record{id: r}
	}
	switch {
	case len(fits) > 1:
		return nil, usagef("%d findings have an id that begins with %q: give more of it", len(fits), id)
	case len(fits) == 0 && damage != nil:
		return nil, damage
	case len(fits) == 0:
		return nil, usagef("no finding %q%s", id, nearest.Hint(id, ids, "see `trapbpf findings --all`"))
	}
	for full := range fits {
		return oneOf(all, full)
	}
	return nil, nil
}

// oneOf gives the finding of an id that is in one ledger, or in one that an agent keeps
// while others are what agents left.
func oneOf(all []ledger.Findings, id string) (*finding.Record, error) {
	var kept, left []*finding.Record
	var where []string
	for _, one := range all {
		for _, r := range one.Records {
			switch {
			case r.Finding.ID != id:
				continue
			case one.Kept:
				kept = append(kept, r)
			default:
				left = append(left, r)
			}
			where = append(where, one.Path)
		}
	}
	switch {
	case len(kept) == 1:
		return kept[0], nil
	case len(kept) == 0 && len(left) == 1:
		return left[0], nil
	default:
		return nil, usagef("finding %s is in %s: say which with --ledger", id, strings.Join(where, " and in "))
	}
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
