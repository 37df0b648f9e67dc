// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Command tally reads `go test -json` on standard input, shows each package's
// closing line and all that a failed test printed, and ends with one plain line,
// "N passed, N failed, N skipped".
//
// It exists for one flag. With -noskip a skipped test is a failure: on a machine
// that can run the privileged tests a skip hides a broken one, and has done so for
// months in projects like this.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	noskip := flag.Bool("noskip", false, "a skipped test is a failure")
	verbose := flag.Bool("v", false, "show what passing tests print, too")
	flag.Parse()
	report := newReport(os.Stdout, *verbose)
	if err := report.read(os.Stdin); err != nil {
		fmt.Fprintf(os.Stderr, "tally: %v\n", err)
		os.Exit(2)
	}
	if !report.finish(*noskip) {
		os.Exit(1)
	}
}
