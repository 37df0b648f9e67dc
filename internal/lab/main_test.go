// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
)

// TestMain lets the test's own executable be the program of lookups, as the agent's is.
func TestMain(m *testing.M) {
	before := len(LookupCommand()) + 1
	if len(os.Args) > before && slices.Equal(os.Args[1:before], LookupCommand()) {
		if err := RunLookups(context.Background(), os.Args[before]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
