// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
	"time"
)

func TestGuestArgsLeaveOutFilesOfTheHost(t *testing.T) {
	args := []string{"-test.v", "-test.testlogfile=/x", "--test.coverprofile=/y", "-test.outputdir=/z", "-test.gocoverdir=/g", "-test.run=A"}
	if got := guestArgs(args); !slices.Equal(got, []string{"-test.v", "-test.run=A"}) {
		t.Errorf("kept %q", got)
	}
}

func TestScenariosAreAllNoneOrNamed(t *testing.T) {
	if named("") != nil {
		t.Error("no list means none")
	}
	if got := named("none"); got == nil || len(got) != 0 {
		t.Errorf("none gives %q", got)
	}
	if got := named("a,b"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("list gives %q", got)
	}
}

func TestSummaryCountsKernelsThatWereNotToBeHad(t *testing.T) {
	if got := summary([]bool{true, true}, 62*time.Second); got != "2 kernels in 1m2s" {
		t.Error(got)
	}
	if got := summary([]bool{false, true, true}, time.Second); got != "2 kernels in 1s, 1 NOT RUN" {
		t.Error(got)
	}
}
