// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package job

import (
	"strings"
	"testing"
	"time"
)

// console is what a guest with two jobs says, kernel noise in between.
func console() string {
	first := Outcome{Code: 3, Wall: 1500 * time.Microsecond, ResidentKiB: 42}
	return "booting\r\n" + Up("6.1.0-50") + Start(0) + Stdout("hello") + Stderr("careful") +
		"[ 1.0] noise\r\n" + Stdout("") + "[ 1.1] half a line" + Stdout("world") + End(0, first) +
		Start(1) + Stdout("cut short")
}

func TestReaderTellsJobsOutputAndKernelNoiseApart(t *testing.T) {
	r := read(console())
	if r.Release != "6.1.0-50" || len(r.Outcomes) != 2 {
		t.Fatalf("release %q, %d outcomes", r.Release, len(r.Outcomes))
	}
	want := Outcome{
		Name: "a", Code: 3, Stdout: "hello\n\nworld\n", Stderr: "careful\n",
		Wall: 1500 * time.Microsecond, ResidentKiB: 42, Ended: true,
	}
	if r.Outcomes[0] != want {
		t.Errorf("first outcome %+v, want %+v", r.Outcomes[0], want)
	}
	if got := strings.Join(r.Console, "|"); got != "booting|[ 1.0] noise" {
		t.Errorf("console %q", got)
	}
}

func TestReaderLeavesAJobThatTheMachineDidNotSurviveUnended(t *testing.T) {
	r := read(console())
	if last := r.Outcomes[1]; last.Ended || last.Stdout != "cut short\n" || r.Done {
		t.Errorf("last outcome %+v, done %v", last, r.Done)
	}
	if r := read(console() + Done()); !r.Done {
		t.Error("the guest's last word was missed")
	}
}

func TestReaderSurvivesMarksThatMakeNoSense(t *testing.T) {
	r := read(Mark + "end 0 x\n" + Mark + "start 9\n" + Mark + "out lost\n" + Mark + "\n" + Mark + "start -1\n")
	if len(r.Outcomes) != 0 {
		t.Errorf("outcomes %+v", r.Outcomes)
	}
}

func TestReaderPassesOutputOnAsItComes(t *testing.T) {
	var got []string
	r := &Reader{Jobs: []Job{{Name: "a"}}, Tee: func(stderr bool, line string) {
		if stderr {
			line = "2:" + line
		}
		got = append(got, line)
	}}
	for line := range strings.Lines(Start(0) + Stdout("one") + Stderr("two")) {
		r.Line(line)
	}
	if strings.Join(got, " ") != "one 2:two" {
		t.Errorf("passed on %q", got)
	}
}

func read(console string) *Reader {
	r := &Reader{Jobs: []Job{{Name: "a"}, {Name: "b"}}}
	for line := range strings.Lines(console) {
		r.Line(line)
	}
	return r
}

func TestReaderTellsWhatEachJobTookOfTheHost(t *testing.T) {
	spent := 3 * time.Second
	r := &Reader{Jobs: []Job{{Name: "a"}, {Name: "b"}}, Spent: func() time.Duration { spent *= 2; return spent }}
	for line := range strings.Lines(Start(0) + End(0, Outcome{}) + Start(1) + End(1, Outcome{})) {
		r.Line(line)
	}
	if a, b := r.Outcomes[0].Processor, r.Outcomes[1].Processor; a != 6*time.Second || b != 6*time.Second {
		t.Errorf("took %s and %s, want 6 s each", a, b)
	}
}
