// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package mirror gets the distribution's kernel packages from the mirror that this
// machine's own apt uses.
//
// Each suite and architecture has an apt state of its own in the cache folder, so
// that nothing of the machine's changes: no source list, no index, no package.
// Signatures are verified with the distribution's installed keyring.
package mirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// keyring signs every suite of the distribution.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// ErrNone tells that the mirror does not have what was asked for.
var ErrNone = errors.New("the mirror has none")

// Suite is one suite of the mirror for one architecture.
type Suite struct {
	name, arch, dir string
}

// Open prepares a suite ("bookworm") for an architecture in the packages' words
// ("amd64", "arm64"), with its state below cache. It gets the suite's index.
func Open(ctx context.Context, cache, name, arch string) (*Suite, error) {
	address, err := address(ctx)
	if err != nil {
		return nil, err
	}
	cache, err = filepath.Abs(cache)
	if err != nil {
		return nil, fmt.Errorf("find the cache folder: %w", err)
	}
	s := &Suite{name: name, arch: arch, dir: filepath.Join(cache, "apt", name+"-"+arch)}
	if err := s.write(address); err != nil {
		return nil, err
	}
	// apt-get calls a suite that is not there a warning; --error-on=any does not.
	if _, err := s.apt(ctx, "", "apt-get", "-qq", "--error-on=any", "update"); err != nil {
		return nil, fmt.Errorf("get the index of %s: %w: %w", name, ErrNone, err)
	}
	return s, nil
}

// address asks the machine's apt where it gets the distribution from.
func address(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets",
		"--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("ask apt for its mirror: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		if uri, label, ok := strings.Cut(strings.TrimSpace(line), " "); ok && label == "Debian" {
			return uri, nil
		}
	}
	return "", errors.New("ask apt for its mirror: no index of the distribution; run `apt-get update` first")
}

// write lays out the private apt state.
func (s *Suite) write(address string) error {
	for _, dir := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o755); err != nil {
			return fmt.Errorf("make the private apt state: %w", err)
		}
	}
	files := map[string]string{
		"status":       "",
		"sources.list": fmt.Sprintf("deb [signed-by=%s] %s %s main\n", keyring, address, s.name),
		"apt.conf":     s.config(),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write the private apt state: %w", err)
		}
	}
	return nil
}

// config keeps apt inside the private folder. Old suites keep their last Release
// file for ever, so its age says nothing.
func (s *Suite) config() string {
	settings := [][2]string{
		{"Dir::Etc::sourcelist", s.dir + "/sources.list"},
		{"Dir::Etc::sourceparts", "-"},
		{"Dir::State", s.dir},
		{"Dir::State::lists", s.dir + "/lists"},
		{"Dir::State::status", s.dir + "/status"},
		{"Dir::Cache", s.dir + "/cache"},
		{"APT::Architecture", s.arch},
		{"APT::Architectures", s.arch},
		{"APT::Sandbox::User", "root"},
		{"Acquire::Languages", "none"},
		{"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"},
		{"Acquire::Check-Valid-Until", "false"},
	}
	var b strings.Builder
	for _, kv := range settings {
		fmt.Fprintf(&b, "%s %q;\n", kv[0], kv[1])
	}
	return b.String()
}

// apt runs a command of apt's on the private state, in dir.
func (s *Suite) apt(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+s.dir+"/apt.conf", "LC_ALL=C")
	cmd.Dir = dir
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
