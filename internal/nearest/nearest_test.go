// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package nearest

import "testing"

func TestNearestWord(t *testing.T) {
	known := []string{"asymmetric-routing", "time-wait-exhaustion", "mtu-blackhole"}
	for word, want := range map[string]string{
		"asymetric-routing":   "asymmetric-routing",
		"timewait-exhaustion": "time-wait-exhaustion",
		"mtu-blackhole":       "mtu-blackhole",
		"zzz":                 "",
		"":                    "",
	} {
		if got := Of(word, known); got != want {
			t.Errorf("Of(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestDistanceCountsEdits(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"kitten", "sitting", 3}, {"", "abc", 3}, {"same", "same", 0}, {"", "", 0}, {"abc", "", 3}, {"flaw", "lawn", 2}} {
		if got := Distance(c.a, c.b); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
