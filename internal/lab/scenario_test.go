// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"regexp"
	"strings"
	"testing"
)

func TestScenariosAreWellFormed(t *testing.T) {
	word := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	faults := map[string]bool{}
	names := map[string]bool{}
	for _, s := range All() {
		if names[s.Name] || !word.MatchString(s.Name) {
			t.Errorf("%q is taken or no name", s.Name)
		}
		names[s.Name] = true
		faults[s.Name] = !s.Twin()
		if s.Summary == "" || len(s.Views) == 0 || s.build == nil {
			t.Errorf("%s lacks a summary, a view or a topology", s.Name)
		}
		if s.Twin() != (s.TwinOf != "") || s.Twin() != (s.Trap == "") {
			t.Errorf("%s must be a fault with a trap and a cause, or the twin of one", s.Name)
		}
	}
	for _, s := range All() {
		if s.Twin() && !faults[s.TwinOf] {
			t.Errorf("%s is the twin of %q, which is no fault", s.Name, s.TwinOf)
		}
	}
}

func TestFindNamesTheNearest(t *testing.T) {
	for asked, want := range map[string]string{
		"rp-filtr": `"rp-filter"`, "port-exhausted": `"ports-exhausted"`, "livelak": `"live-leak"`,
	} {
		_, err := Find(asked)
		if err == nil || !strings.Contains(err.Error(), "did you mean "+want) {
			t.Errorf("Find(%q) says %v, not %s", asked, err, want)
		}
	}
	if _, err := Find("x"); err == nil || strings.Contains(err.Error(), "did you mean") {
		t.Errorf("Find of one letter guesses: %v", err)
	}
	if s, err := Find("bind-pool"); err != nil || s.Name != "bind-pool" {
		t.Errorf("Find(bind-pool) gives %q, %v", s.Name, err)
	}
}
