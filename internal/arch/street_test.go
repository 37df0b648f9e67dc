// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package arch

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/trapbpf/trapbpf/"

// street is the order of the rooms. A room may import those above it, and its own
// folders; nothing below.
var street = []string{
	"pkg/event",
	"pkg/finding",
	"internal/nearest",
	"internal/privilege",
	"internal/wire",
	"internal/hook",
	"internal/decode",
	"internal/kernel",
	"internal/enrich",
	"internal/host",
	"internal/firewall",
	"pkg/trace",
	"internal/flow",
	"internal/trap",
	"internal/engine",
	"internal/ledger",
	"internal/remedy",
	"internal/probe",
	"internal/audit",
	"internal/verify",
	"internal/sink",
	"internal/config",
	"internal/agent",
	"internal/metric",
	"internal/service",
	"internal/lab",
	"internal/cli",
	"cmd",
}

// beside are the rooms for tests and tools: they may import the whole street, and
// only tests and each other may import them.
var beside = []string{
	"internal/golden", "internal/kerneltest", "internal/vm", "internal/image", "internal/deploy", "internal/delivery", "internal/tally", "internal/arch",
	"tools/collector", "deploy/helm/test", // modules of their own
}

// middle is where events become findings. It sees nothing but what comes down the
// street, so the same events give the same findings.
var middle = []string{"internal/flow", "internal/trap", "internal/engine"}

// inputs are all that the middle may import besides itself.
var inputs = []string{"pkg/event", "pkg/finding"}

// roomOf gives the room that a package lies in, "" where it has none.
func roomOf(pkg string, rooms []string) string {
	at := slices.IndexFunc(rooms, func(room string) bool {
		return pkg == room || strings.HasPrefix(pkg, room+"/")
	})
	if at < 0 {
		return ""
	}
	return rooms[at]
}

// imports lists the packages of this module that a file imports.
func imports(s source) []string {
	var own []string
	for _, spec := range s.file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if pkg, ok := strings.CutPrefix(path, module); ok {
			own = append(own, pkg)
		}
	}
	return own
}

func TestEveryPackageHasARoom(t *testing.T) {
	for _, s := range sources(t) {
		if roomOf(s.dir(), street) == "" && roomOf(s.dir(), beside) == "" {
			t.Errorf("%s: %s is on no list of %s", s.path, s.dir(), "internal/arch/street_test.go")
		}
	}
}

func TestRoomsImportOnlyRoomsAboveThem(t *testing.T) {
	for _, s := range sources(t) {
		from := roomOf(s.dir(), street)
		if from == "" || s.isTest() {
			continue
		}
		for _, pkg := range imports(s) {
			to := roomOf(pkg, street)
			switch {
			case to == "":
				t.Errorf("%s imports %s, which is there for tests only", s.path, pkg)
			case slices.Index(street, to) > slices.Index(street, from):
				t.Errorf("%s imports %s: %s is above %s on the street", s.path, pkg, from, to)
			}
		}
	}
}

func TestMiddleImportsOnlyTheMiddle(t *testing.T) {
	for _, s := range sources(t) {
		if roomOf(s.dir(), middle) == "" || s.isTest() {
			continue
		}
		for _, pkg := range imports(s) {
			if roomOf(pkg, middle) == "" && roomOf(pkg, inputs) == "" {
				t.Errorf("%s imports %s: the middle sees only events", s.path, pkg)
			}
		}
	}
}

// lists are the packages that know every trap, and every encoder.
var lists = []string{"internal/trap/all", "internal/sink/output"}

// A trap that read another's state, or a sink that wrote by way of another, could
// no longer be added or taken away as one folder.
func TestTrapsAndSinksDoNotKnowTheirNeighbours(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		for _, room := range []string{"internal/trap", "internal/sink"} {
			own, inside := strings.CutPrefix(s.dir(), room+"/")
			if !inside || slices.Contains(lists, s.dir()) {
				continue
			}
			for _, pkg := range imports(s) {
				if other, ok := strings.CutPrefix(pkg, room+"/"); ok && other != own {
					t.Errorf("%s imports its neighbour %s", s.path, pkg)
				}
			}
		}
	}
}
