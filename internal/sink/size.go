// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package sink

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as 65536, 64KiB, 16MiB or 1GiB.
type Size int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	word := strings.TrimSpace(string(text))
	digits, unit := word, int64(1)
	for i, suffix := range []string{"KiB", "MiB", "GiB"} {
		if rest, ok := strings.CutSuffix(word, suffix); ok {
			digits, unit = strings.TrimSpace(rest), 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is no size: give bytes, or a number with KiB, MiB or GiB", word)
	}
	*s = Size(n * unit)
	return nil
}

// MarshalText implements encoding.TextMarshaler: the largest unit that divides it.
func (s Size) MarshalText() ([]byte, error) {
	n, unit := int64(s), ""
	for _, larger := range []string{"KiB", "MiB", "GiB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, larger
	}
	return fmt.Appendf(nil, "%d%s", n, unit), nil
}
