// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package job

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Mark begins each line that the guest says on purpose. Anything else on the
// console is the kernel's.
const Mark = "@tb "

// The words that follow a mark.
const (
	wordUp     = "up"
	wordStart  = "start"
	wordStdout = "out"
	wordStderr = "err"
	wordEnd    = "end"
	wordLog    = "log"
	wordDone   = "done"
)

// Up tells that the guest has set itself up, and on which kernel release.
func Up(release string) string { return Mark + wordUp + " " + release + "\n" }

// Start tells that a job begins.
func Start(index int) string { return fmt.Sprintf("%s%s %d\n", Mark, wordStart, index) }

// Stdout tells one line of the running job's standard output.
func Stdout(line string) string { return Mark + wordStdout + " " + line + "\n" }

// Stderr tells one line of the running job's standard error.
func Stderr(line string) string { return Mark + wordStderr + " " + line + "\n" }

// Log tells a line of the guest's own, or of its kernel's log.
func Log(line string) string { return Mark + wordLog + " " + line + "\n" }

// Done tells that every job is over.
func Done() string { return Mark + wordDone + "\n" }

// End tells that a job is over.
func End(index int, o Outcome) string {
	return fmt.Sprintf("%s%s %d %d %d %d\n", Mark, wordEnd, index, o.Code, o.Wall.Microseconds(), o.ResidentKiB)
}

// Reader collects what a guest says. The zero value needs Jobs.
type Reader struct {
	Jobs []Job
	// Tee, where set, gets each line of a job's output as it comes.
	Tee func(stderr bool, line string)
	// Each, where set, gets each job's outcome as it ends.
	Each func(Outcome)
	// Spent, where set, gives the processor time that the emulator has taken so far.
	Spent func() time.Duration

	// Release is the guest's kernel, "" until it came up.
	Release string
	// Outcomes are those of the jobs that were started, in order.
	Outcomes []Outcome
	// Log are the guest's own lines, Console the kernel's.
	Log, Console []string
	// Done is true once the guest said that it was through.
	Done bool

	// counted is what of Spent earlier jobs have taken.
	counted time.Duration
}

// Line takes in one line of the console.
func (r *Reader) Line(line string) {
	line = strings.TrimRight(line, "\r\n")
	// The kernel may have written a part of its own line before the mark.
	at := strings.Index(line, Mark)
	if at < 0 {
		if line != "" {
			r.Console = append(r.Console, line)
		}
		return
	}
	word, rest, _ := strings.Cut(line[at+len(Mark):], " ")
	r.word(word, rest)
}

func (r *Reader) word(word, rest string) {
	switch word {
	case wordUp:
		r.Release = rest
	case wordStart:
		r.start(rest)
	case wordStdout, wordStderr:
		r.output(word == wordStderr, rest)
	case wordEnd:
		r.end(rest)
	case wordLog:
		r.Log = append(r.Log, rest)
	case wordDone:
		r.Done = true
	}
}

func (r *Reader) start(rest string) {
	index, err := strconv.Atoi(rest)
	if err != nil || index < 0 || index >= len(r.Jobs) {
		return
	}
	r.Outcomes = append(r.Outcomes, Outcome{Name: r.Jobs[index].Name})
}

func (r *Reader) output(stderr bool, line string) {
	if len(r.Outcomes) == 0 {
		return
	}
	last := &r.Outcomes[len(r.Outcomes)-1]
	if stderr {
		last.Stderr += line + "\n"
	} else {
		last.Stdout += line + "\n"
	}
	if r.Tee != nil {
		r.Tee(stderr, line)
	}
}

func (r *Reader) end(rest string) {
	var index, code int
	var micros, resident int64
	if _, err := fmt.Sscan(rest, &index, &code, &micros, &resident); err != nil || len(r.Outcomes) == 0 {
		return
	}
	last := &r.Outcomes[len(r.Outcomes)-1]
	last.Code, last.ResidentKiB = code, resident
	last.Wall, last.Ended = time.Duration(micros)*time.Microsecond, true
	if r.Spent != nil {
		spent := r.Spent()
		last.Processor, r.counted = spent-r.counted, spent
	}
	if r.Each != nil {
		r.Each(*last)
	}
}
