// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// Sight says how well a trap is seen on this host.
type Sight string

// How well a trap is seen.
const (
	Sees      Sight = "sees"
	HalfBlind Sight = "half blind"
	Blind     Sight = "blind"
)

// View is how well a detector sees, and what it misses.
type View struct {
	Sight Sight
	// Missing says, for each sight that is gone, what is lost without it.
	Missing []string
	// Never says what no hook can show, whatever stands.
	Never []string
}

// Limited is a detector that cannot see some of its trap on any host.
type Limited interface {
	// Never says what.
	Never() []string
}

// ViewOf judges a detector by the hooks that attached. Facts are no hooks, and
// always there.
func ViewOf(d Detector, hooks []event.Hook) View {
	view := View{Sight: Sees}
	if limited, ok := d.(Limited); ok {
		view.Never = limited.Never()
	}
	for _, need := range d.Needs() {
		if standing(need.Sight, hooks) {
			view.lack(need, hooks)
			continue
		}
		view.Missing = append(view.Missing, need.Sight+": "+need.Without)
		if need.Vital {
			view.Sight = Blind
		} else if view.Sight == Sees {
			view.Sight = HalfBlind
		}
	}
	return view
}

// lack takes note of the drop reasons that a trap rests on and that nothing here tells:
// neither the kernel nor, as it hides its symbols, the place of the drop.
func (v *View) lack(need Need, hooks []event.Hook) {
	var untold []string
	for _, h := range hooks {
		for _, reason := range h.Untold {
			if h.Sight == need.Sight && slices.Contains(need.Reasons, reason) {
				untold = append(untold, reason)
			}
		}
	}
	switch {
	case len(untold) == 0:
		return
	case need.Vital && len(untold) == len(need.Reasons):
		v.Sight = Blind
	case v.Sight == Sees:
		v.Sight = HalfBlind
	}
	v.Missing = append(v.Missing, fmt.Sprintf("%s: this kernel gives no reason like %s, and its symbols, which would tell, are hidden: have CAP_SYSLOG, and kernel.kptr_restrict at most 1",
		need.Sight, strings.Join(untold, ", ")))
}

// standing tells whether a hook of the sight attached; a sight may have several,
// one per protocol.
func standing(sight string, hooks []event.Hook) bool {
	if sight == "facts" {
		return true
	}
	for _, h := range hooks {
		if h.Sight == sight && h.Rung != "" {
			return true
		}
	}
	return false
}
