// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package trap

import (
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// needy is a detector of which only the needs matter.
type needy struct {
	Detector
	needs []Need
}

func (n needy) Needs() []Need { return n.needs }

func TestReasonThatNothingTellsMakesATrapHalfBlind(t *testing.T) {
	reasons := []string{"IP_RPFILTER", "IP_LOCALNET"}
	tests := map[string]struct {
		untold []string
		vital  bool
		want   Sight
	}{
		"all told":             {nil, true, Sees},
		"another trap's":       {[]string{"PKT_TOO_BIG"}, true, Sees},
		"one of two":           {[]string{"IP_LOCALNET", "PKT_TOO_BIG"}, true, HalfBlind},
		"all, but not vital":   {reasons, false, HalfBlind},
		"all that it rests on": {reasons, true, Blind},
	}
	for name, test := range tests {
		d := needy{needs: []Need{{Sight: "drop", Vital: test.vital, Reasons: reasons}}}
		view := ViewOf(d, []event.Hook{{Sight: "drop", Rung: "tp_btf", Untold: test.untold}})
		if view.Sight != test.want {
			t.Errorf("%s: %s, want %s", name, view.Sight, test.want)
		}
		if told := strings.Contains(strings.Join(view.Missing, ""), "kptr_restrict"); told != (test.want != Sees) {
			t.Errorf("%s: missing %q", name, view.Missing)
		}
	}
}
