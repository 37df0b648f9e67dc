// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/trapbpf/trapbpf/internal/vm/image"
	"github.com/trapbpf/trapbpf/internal/vm/job"
)

// twinEnd ends the name of a recording in which nothing may be found.
const twinEnd = "-twin"

// Recording is a kept stream of events with the records that it must give on
// every kernel.
type Recording struct {
	// Name is its file's, without the ending; Trap the folder's that keeps it.
	Name, Trap string
	path, want string
}

// Recordings gives those of every trap, below the tree's root.
func Recordings(root string) (all []Recording, err error) {
	paths, err := filepath.Glob(filepath.Join(root, "internal/trap/*/testdata/*.jsonl"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("find the recordings below %s: %d of them: %w", root, len(paths), err)
	}
	for _, path := range paths {
		r := Recording{
			Name: strings.TrimSuffix(filepath.Base(path), ".jsonl"),
			Trap: filepath.Base(filepath.Dir(filepath.Dir(path))),
			path: path,
		}
		want, err := os.ReadFile(strings.TrimSuffix(path, ".jsonl") + ".golden")
		if err != nil && (!errors.Is(err, fs.ErrNotExist) || !r.twin()) {
			return nil, fmt.Errorf("read what %s must give: %w", r.Name, err)
		}
		r.want = string(want)
		all = append(all, r)
	}
	return all, nil
}

func (r Recording) twin() bool { return strings.HasSuffix(r.Name, twinEnd) }

// inGuest is where the recording stands in a machine.
func (r Recording) inGuest() string { return "/recordings/" + r.Trap + "/" + r.Name + ".jsonl" }

func (r Recording) file() image.File { return image.File{Name: r.inGuest(), Path: r.path} }

func (r Recording) job() job.Job {
	return job.Job{
		Name:  jobReplay + r.Name,
		Argv:  []string{agent, "replay", "--output", "json", r.inGuest()},
		Limit: replayLimit,
	}
}

// The exit codes of a replay that found nothing, and of one that found something.
const (
	exitSilent = 0
	exitFound  = 3
)

// judge compares what a replay printed with what it must.
func (r Recording) judge(o job.Outcome) Replay {
	told := Replay{Name: r.Name}
	code := exitFound
	if r.twin() {
		code = exitSilent
	}
	switch {
	case !o.Ended || o.Code != code && o.Stdout == r.want:
		told.Why = ending(o)
	case o.Stdout != r.want:
		told.Why = "gives other records: " + difference(r.want, o.Stdout)
	}
	return told
}

// shown is how many bytes of a line that differs are told.
const shown = 120

// difference tells the first line that differs, from where it does.
func difference(want, got string) string {
	wanted, given := strings.Split(want, "\n"), strings.Split(got, "\n")
	line := 0
	for line < len(wanted)-1 && line < len(given)-1 && wanted[line] == given[line] {
		line++
	}
	a, b := wanted[line], given[line]
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	cut := func(s string) string { return s[at:min(len(s), at+shown)] }
	return fmt.Sprintf("line %d, byte %d: %q, not %q", line+1, at+1, cut(b), cut(a))
}
