// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"runtime"
	"strings"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
	"github.com/trapbpf/trapbpf/internal/trap"
	"github.com/trapbpf/trapbpf/internal/trap/all"
	"github.com/trapbpf/trapbpf/pkg/event"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// introduce begins the stream with who looks, how, and at which namespaces.
func (a *Agent) introduce() {
	head := event.Header{Time: kernel.Now()}
	a.take(&event.Host{
		Header:       head,
		Name:         hostname(),
		Kernel:       Release(),
		Architecture: runtime.GOARCH,
		Seed:         seed(),
		AgentNetns:   a.host.Own(),
		Version:      a.config.Version,
	})
	a.take(a.beat())
	for _, h := range a.kernel.Hooks() {
		h.Header = head
		a.take(&h)
	}
	for _, at := range a.namespaces() {
		named := a.host.Describe(at)
		named.Header = event.Header{Time: head.Time, Netns: at.Inode}
		a.take(named)
	}
	for _, k := range a.config.Kept {
		k.Time = head.Time
		a.take(k)
	}
}

// namespaces gives those to name at the start: the ones asked for, or all.
func (a *Agent) namespaces() []host.Target {
	if len(a.watch) > 0 {
		return a.watch
	}
	return a.host.Namespaces()
}

// announce tells that from now on no event is missed.
func (a *Agent) announce() {
	hooks := a.kernel.Hooks()
	var standing, blind []string
	for _, h := range hooks {
		if h.Rung != "" {
			standing = append(standing, h.Name+" on "+h.Rung)
			continue
		}
		blind = append(blind, h.Name+": "+h.Blind)
	}
	a.log.Info("watching",
		zap.Strings("hooks", standing),
		zap.Strings("blind", append(blind, blindTraps(a.config, hooks)...)),
		zap.Int("namespaces", len(a.watch)))
}

// blindTraps says which traps cannot be seen at all, and why, and what of others never is.
func blindTraps(c Config, hooks []event.Hook) []string {
	var words []string
	for _, d := range all.Detectors(c.Traps...) {
		view := trap.ViewOf(d, hooks)
		if view.Sight == trap.Blind {
			words = append(words, string(d.Trap())+": "+strings.Join(view.Missing, "; "))
		}
		for _, what := range view.Never {
			words = append(words, string(d.Trap())+": never "+what)
		}
	}
	return words
}

// Release gives the running kernel's release, "" where it does not tell.
func Release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Observer is this host, as records tell it.
func Observer(version string) finding.Host {
	return finding.Host{Name: hostname(), Architecture: runtime.GOARCH, Kernel: Release(), AgentVersion: version}
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// seed draws what this run's ids are computed from.
func seed() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand, since Go 1.24)
	return hex.EncodeToString(b[:])
}
