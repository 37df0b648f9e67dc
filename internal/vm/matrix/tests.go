// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"regexp"
	"strings"

	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// readTests reads what a test binary prints with -test.v: each test's verdict, and
// for one that did not pass the first line of complaint since the test before. A
// skip counts as not passed: a machine is root on a whole kernel.
func readTests(o job.Outcome, pkg string) (all []Test) {
	verdict := regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+)`)
	complaint := regexp.MustCompile(`^\s+\w+_test\.go:\d+: `)
	said := ""
	for line := range strings.Lines(o.Stdout) {
		if match := verdict.FindStringSubmatch(line); match != nil {
			t := Test{Name: pkg + "/" + match[2]}
			if match[1] != "PASS" {
				t.Why = strings.ToLower(match[1]) + ": " + said
			}
			all, said = append(all, t), ""
		}
		if said == "" && complaint.MatchString(line) {
			said = strings.TrimSpace(line)
		}
		if strings.HasPrefix(line, "=== RUN") && !strings.Contains(line, "/") {
			said = ""
		}
	}
	if o.Code != 0 && !failed(all) || !o.Ended {
		all = append(all, Test{Name: pkg, Why: ending(o)})
	}
	return all
}

func failed(all []Test) bool {
	for _, t := range all {
		if t.Why != "" {
			return true
		}
	}
	return false
}
