// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package image makes what a test machine boots: a distribution's kernel, its
// modules, and an initramfs around them.
//
// A kernel is fetched and unpacked once; the cache folder then holds the kernel,
// the part of the initramfs that stays the same, and what is known of both.
package image

import (
	"errors"
	"fmt"
	"strings"
)

// Target is one kernel that the matrix has a column for.
type Target struct {
	// Series is the kernel's, "newest" for the newest of the suites.
	Series string
	// Arch is the architecture in Go's and the distribution's words alike.
	Arch string
	// Suites are where to look, the first that has it wins.
	Suites []string
	// Mandatory targets must be there; others are skipped, loudly.
	Mandatory bool
}

// newest is the series of a target that follows its suite.
const newest = "newest"

// Name tells a target apart: "6.1-amd64".
func (t Target) Name() string { return t.Series + "-" + t.Arch }

// pick is the series to ask the mirror for, "" for what the suite calls current.
// Stable suites have one series; only backports keep several.
func (t Target) pick() string {
	if t.Series == newest {
		return ""
	}
	return t.Series
}

// Targets are all of them, oldest first. 5.10 is past its support and may vanish
// from mirrors. 6.1 on arm64 loads fentry programs and then refuses to attach
// them: a ladder must notice.
func Targets() []Target {
	return []Target{
		{Series: "5.10", Arch: "amd64", Suites: []string{"bullseye"}},
		{Series: "6.1", Arch: "amd64", Suites: []string{"bookworm"}, Mandatory: true},
		{Series: "6.12", Arch: "amd64", Suites: []string{"trixie", "bookworm-backports"}},
		{Series: "6.18", Arch: "amd64", Suites: []string{"trixie-backports"}},
		{Series: newest, Arch: "amd64", Suites: []string{"trixie-backports", "sid"}},
		{Series: "6.1", Arch: "arm64", Suites: []string{"bookworm"}},
		{Series: "6.12", Arch: "arm64", Suites: []string{"trixie", "bookworm-backports"}},
	}
}

// ErrTarget tells that a name is no target's.
var ErrTarget = errors.New("no such kernel")

// Find gives the targets of a comma-separated list of names; "all" for all, "ci"
// for the oldest and the newest. A series alone means amd64.
func Find(list string) ([]Target, error) {
	all := Targets()
	switch list {
	case "all":
		return all, nil
	case "ci":
		return Find("5.10,newest")
	}
	var found []Target
	for name := range strings.SplitSeq(list, ",") {
		t, err := find(all, strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, nil
}

func find(all []Target, name string) (Target, error) {
	names := make([]string, len(all))
	for i, t := range all {
		names[i] = t.Name()
		if name == t.Name() || name == t.Series && t.Arch == "amd64" {
			return t, nil
		}
	}
	return Target{}, fmt.Errorf("%w as %q; there are %s", ErrTarget, name, strings.Join(names, ", "))
}
