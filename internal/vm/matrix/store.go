// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package matrix

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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
	skips := FormatSkips(merged.Skips())
	if err := os.WriteFile(filepath.Join(s.Dir, fresh.Kernel+".skips"), []byte(skips), 0o644); err != nil {
		return fmt.Errorf("save the known skips: %w", err)
	}
	return nil
}

// Merge gives the kept result with the fresh one's answers in place of its own.
func Merge(kept, fresh Result) Result {
	merged := fresh
	merged.Scenarios = replace(kept.Scenarios, fresh.Scenarios, func(s Scenario) string { return s.Name })
	merged.Replays = replace(kept.Replays, fresh.Replays, func(r Replay) string { return r.Name })
	merged.Tests = replace(kept.Tests, fresh.Tests, func(t Test) string { return t.Name })
	merged.Hosts = replace(kept.Hosts, fresh.Hosts, func(h Host) string { return h.Name })
	return merged
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

// Document renders all that the store keeps, in the order of the targets.
func Document(s Store) (string, error) {
	var results []Result
	for _, t := range image.Targets() {
		r, _, err := s.Load(t.Name())
		if err != nil {
			return "", err
		}
		if r.Release != "" {
			results = append(results, r)
		}
	}
	return Render(results), nil
}
