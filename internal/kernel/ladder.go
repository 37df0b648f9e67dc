// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/trapbpf/trapbpf/internal/hook"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// row is a row of the table with what came of it.
type row struct {
	hook.Row
	report     event.Hook
	collection *ebpf.Collection
	links      []link.Link
	iterator   *link.Iter
	diag       *diagWalker
}

func (r *row) close() error {
	var all []error
	for _, l := range r.links {
		all = append(all, l.Close())
	}
	if r.collection != nil {
		r.collection.Close()
	}
	return errors.Join(all...)
}

// climber puts rows on the best rung that holds. Whether one does shows only when
// its programs are really attached: some kernels load what they will not attach.
type climber struct {
	options Options
	maps    *shared
	reasons reasons
	cache   *btf.Cache
}

// climb tries a row's rungs from the best down. It always gives a row, with a
// report that says where it stands, or why nowhere.
func (c *climber) climb(h hook.Row) *row {
	r := &row{Row: h}
	r.report = event.Hook{Header: event.Header{Time: Now()}, Name: h.Name, Sight: h.Sight}
	if h.Sight == hook.SightDrop {
		r.report.Placed, r.report.Untold = c.reasons.placed, c.reasons.untold
	}
	for _, rung := range c.rungs(h) {
		err := c.stand(r, rung)
		if err == nil {
			r.report.Rung = rung.Name
			return r
		}
		r.report.Higher = append(r.report.Higher, rung.Name+": "+refusal(rung.Name, err))
	}
	r.report.Blind = strings.Join(r.report.Higher, "; ")
	if r.report.Blind == "" {
		r.report.Blind = "it has no rung " + c.options.Rung[h.Name]
	}
	return r
}

// rungs are those that may be tried.
func (c *climber) rungs(h hook.Row) []hook.Rung {
	forced, ok := c.options.Rung[h.Name]
	if !ok {
		return h.Rungs
	}
	return slices.DeleteFunc(slices.Clone(h.Rungs), func(r hook.Rung) bool { return r.Name != forced })
}

// stand loads and attaches one rung; on an error nothing of it stays.
func (c *climber) stand(r *row, rung hook.Rung) (err error) {
	if rung.Name == hook.RungDiag {
		r.diag, err = newDiagWalker()
		return err
	}
	spec, err := r.Object()
	if err != nil {
		return fmt.Errorf("read object: %w", err)
	}
	types, err := c.cache.Kernel()
	if err != nil {
		return fmt.Errorf("read the kernel's types: %w", err)
	}
	if err := c.tailor(spec, rung.Programs); err != nil {
		return err
	}
	attempt := &row{Row: r.Row}
	attempt.collection, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: c.maps.replacements(spec),
		Cache:           c.cache,
		// What is read is the kernel's own, not its modules', whose types can be
		// several times as large: 77 MB more were resident on Debian's 6.18.
		Programs: ebpf.ProgramOptions{KernelTypes: types, LogLevel: c.options.account()},
	})
	if err != nil {
		return err
	}
	for _, name := range rung.Programs {
		if err := attempt.attach(spec.Programs[name]); err != nil {
			return errors.Join(err, attempt.close())
		}
	}
	r.collection, r.links, r.iterator = attempt.collection, attempt.links, attempt.iterator
	return nil
}

// tailor cuts an object down to some of its programs with the maps that these use,
// and sets its knobs.
func (c *climber) tailor(spec *ebpf.CollectionSpec, programs []string) error {
	used := map[string]bool{}
	for name, program := range spec.Programs {
		if !slices.Contains(programs, name) {
			delete(spec.Programs, name)
			continue
		}
		for i := range program.Instructions {
			used[program.Instructions[i].Reference()] = true
		}
	}
	for name := range spec.Maps {
		// A dot starts the data sections that hold the knobs.
		if !used[name] && !strings.HasPrefix(name, ".") {
			delete(spec.Maps, name)
		}
	}
	return c.turn(spec)
}

// turn sets the knobs that the object has.
func (c *climber) turn(spec *ebpf.CollectionSpec) error {
	knobs := map[string]any{
		"cfg_narrow":       c.maps.narrow,
		"cfg_sample_every": uint64(c.options.SampleEvery.Nanoseconds()),
		"cfg_reasons":      c.reasons.wanted,
		"cfg_reasons_told": c.reasons.told,
		"cfg_unspecified":  c.reasons.unspecified,
		"cfg_places":       c.reasons.places,
	}
	for name, value := range knobs {
		variable, ok := spec.Variables[name]
		if !ok {
			continue
		}
		if err := variable.Set(value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}
