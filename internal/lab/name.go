// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// namePrefix marks the lab's namespaces under /run/netns.
const namePrefix = "tb-"

// nameLimit keeps names short enough for one line of a report, and for the tools
// that cut them at 64 bytes.
const nameLimit = 63

// spaceName is a namespace's name: tb-SCENARIO-PIDxNONCE-ROLE. It says whose it
// is, so that what a killed run left behind can be told from a run under way.
type spaceName struct {
	Scenario string
	PID      int
	Nonce    string
	Role     string
}

// String gives the name as it appears under /run/netns.
func (n spaceName) String() string {
	return fmt.Sprintf("%s%s-%dx%s-%s", namePrefix, n.Scenario, n.PID, n.Nonce, n.Role)
}

// parseName reads a name back; false where it isn't one of the lab's.
func parseName(s string) (spaceName, bool) {
	pattern := regexp.MustCompile(`^` + namePrefix + `([a-z0-9-]+)-([0-9]+)x([0-9a-f]+)-([a-z0-9]+)$`)
	m := pattern.FindStringSubmatch(s)
	if m == nil {
		return spaceName{}, false
	}
	pid, err := strconv.Atoi(m[2])
	if err != nil || pid <= 0 {
		return spaceName{}, false
	}
	return spaceName{Scenario: m[1], PID: pid, Nonce: m[3], Role: m[4]}, true
}

// Sweep removes the namespaces of runs whose process is gone, and tells their
// names. Runs under way, this process's too, are left alone. It needs root where
// there is something to remove.
func Sweep() ([]string, error) {
	return sweep(func(n spaceName) bool { return !alive(n.PID) })
}

// sweep removes the lab's namespaces that the caller wants gone.
func sweep(gone func(spaceName) bool) ([]string, error) {
	entries, err := os.ReadDir(netnsDir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var removed []string
	for _, entry := range entries {
		name, ours := parseName(entry.Name())
		if !ours || !gone(name) {
			continue
		}
		if err := removeName(entry.Name()); err != nil {
			return removed, err
		}
		removed = append(removed, entry.Name())
	}
	return removed, nil
}

// alive tells whether a process exists; one that may not be signalled does.
func alive(pid int) bool {
	return unix.Kill(pid, 0) != unix.ESRCH
}

// leftovers tells what a run left behind: names under /run/netns, and mounts of
// such names that lost their file.
func leftovers(nonce string) ([]string, error) {
	mine := "x" + nonce + "-"
	var left []string
	entries, err := os.ReadDir(netnsDir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), namePrefix) && strings.Contains(entry.Name(), mine) {
			left = append(left, netnsDir+"/"+entry.Name())
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return left, fmt.Errorf("read mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "/"+namePrefix) && strings.Contains(line, mine) {
			left = append(left, "mount "+strings.TrimSpace(line))
		}
	}
	return left, nil
}
