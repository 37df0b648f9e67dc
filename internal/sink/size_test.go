// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import "testing"

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "65536": 65536, "64KiB": 65536, "3 MiB": 3 << 20, "1GiB": 1 << 30} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
		back, err := got.MarshalText()
		var again Size
		if err != nil || again.UnmarshalText(back) != nil || again != want {
			t.Errorf("%d is written %q, %v", got, back, err)
		}
	}
	for _, text := range []string{"", "-1", "1kb", "MiB", "9999999999GiB", "1.5MiB"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken as a size", text)
		}
	}
}
