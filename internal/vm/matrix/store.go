// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/trapbpf/trapbpf/internal/vm/image"
)

// Store is the folder that keeps the accepted results.
type Store struct{ Dir string }

// Load gives a kernel's accepted result and the list of what does not work there;
// both empty where there is none yet.
func (s Store) Load(kernel string) (Result, []Skip, error) {
	var r Result
	raw, err := os.ReadFile(filepath.Join(s.Dir, kernel+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Result{Kernel: kernel}, nil, nil
	}
	if err != nil {
		return r, nil, fmt.Errorf("load the kept result: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, nil, fmt.Errorf("load the kept result of %s: %w", kernel, err)
	}
	skips, err := os.ReadFile(filepath.Join(s.Dir, kernel+".skips"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, nil, fmt.Errorf("load the known skips: %w", err)
	}
	return r, ParseSkips(string(skips)), nil
}

// Save accepts a result: what it was asked replaces what was kept of that, the
// rest stays.
func (s Store) Save(fresh Result) error {
	kept, _, err := s.Load(fresh.Kernel)
	if err != nil {
		return err
	}
	merged := Merge(kept, fresh)
	raw, err := json.MarshalIndent(merged, "", "  ")
	if err != nil {
		return fmt.Errorf("save the result: %w", err)
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fmt.Errorf("save the result: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir, fresh.Kernel+".json"), append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("save the result: %w", err)
	}
	return s.saveSkips(merged)
}

// saveSkips writes the list of what does not work; there is none where all does.
func (s Store) saveSkips(r Result) error {
	path := filepath.Join(s.Dir, r.Kernel+".skips")
	skips := r.Skips()
	if len(skips) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("save the known skips: %w", err)
		}
		return nil
	}
	if err := os.WriteFile(path, []byte(FormatSkips(skips)), 0o644); err != nil {
		return fmt.Errorf("save the known skips: %w", err)
	}
	return nil
}

// Merge gives the kept result with the fresh one's answers in place of its own.
func Merge(kept, fresh Result) Result {
	merged := fresh
	keepCosts(merged.Rungs, kept.Rungs)
	merged.Processor = maps.Clone(kept.Processor)
	if merged.Processor == nil {
		merged.Processor = map[string]float64{}
	}
	maps.Copy(merged.Processor, fresh.Processor)
	merged.Scenarios = replace(kept.Scenarios, fresh.Scenarios, func(s Scenario) string { return s.Name })
	merged.Replays = replace(kept.Replays, fresh.Replays, func(r Replay) string { return r.Name })
	merged.Tests = replace(kept.Tests, fresh.Tests, func(t Test) string { return t.Name })
	// It is there only where doctor fails.
	kept.Hosts = slices.DeleteFunc(slices.Clone(kept.Hosts), func(h Host) bool { return h.Name == ordinary })
	merged.Hosts = replace(kept.Hosts, fresh.Hosts, func(h Host) string { return h.Name })
	merged.Refusals = replace(kept.Refusals, fresh.Refusals, func(f Refusal) string { return f.Name })
	return merged
}

// keepCosts fills in what rungs cost that were not measured this time.
func keepCosts(fresh, kept []Rung) {
	for i := range fresh {
		f := &fresh[i]
		at := slices.IndexFunc(kept, func(k Rung) bool { return k.Hook == f.Hook && k.Rung == f.Rung })
		if at >= 0 && f.Why == "" && f.Nanoseconds == 0 {
			f.Nanoseconds = kept[at].Nanoseconds
		}
	}
}

// replace gives the old rows with those of the same name replaced, new names last.
func replace[T any](old, fresh []T, name func(T) string) []T {
	merged := slices.Clone(old)
	for _, f := range fresh {
		at := slices.IndexFunc(merged, func(t T) bool { return name(t) == name(f) })
		if at < 0 {
			merged = append(merged, f)
		} else {
			merged[at] = f
		}
	}
	return merged
}

// results gives all that the store keeps of kernels, in the order of the targets.
func (s Store) results() (results []Result, err error) {
	for _, t := range image.Targets() {
		r, _, err := s.Load(t.Name())
		if err != nil {
			return nil, err
		}
		if r.Release != "" {
			results = append(results, r)
		}
	}
	return results, nil
}

// Document renders docs/kernels.md.
func Document(s Store) (string, error) {
	results, err := s.results()
	if err != nil {
		return "", err
	}
	return Render(results), nil
}

// The lines between which bpf/README.md has its table of costs.
const (
	costsBegin = "<!-- costs: made by `go run ./internal/vm/cmd/kernels table` -->\n"
	costsEnd   = "<!-- end of costs -->\n"
)

// SpliceCosts puts the table of costs into the text of bpf/README.md.
func SpliceCosts(s Store, text string) (string, error) {
	results, err := s.results()
	if err != nil {
		return "", err
	}
	hardware, _, err := s.Load(Hardware)
	if err != nil {
		return "", err
	}
	before, rest, begun := strings.Cut(text, costsBegin)
	_, after, ended := strings.Cut(rest, costsEnd)
	if !begun || !ended || len(results) == 0 {
		return "", fmt.Errorf("splice the costs of %d kernels: no place between %q and %q", len(results), costsBegin, costsEnd)
	}
	return before + costsBegin + CostTable(results, hardware) + costsEnd + after, nil
}
