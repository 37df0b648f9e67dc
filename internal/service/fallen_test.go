// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// detach takes this process's programs off all control groups, as `bpftool link detach` does.
func detach(t *testing.T, before map[link.ID]bool) {
	t.Helper()
	count := 0
	eachGroupLink(t, func(id link.ID, l link.Link) {
		if before[id] {
			return
		}
		if err := l.Detach(); err != nil {
			t.Error(err)
		}
		count++
	})
	if count == 0 {
		t.Fatal("the service has no link to a control group")
	}
}

// eachGroupLink calls f for every link of the machine to a control group.
func eachGroupLink(t *testing.T, f func(link.ID, link.Link)) {
	t.Helper()
	links := new(link.Iterator)
	defer links.Close()
	for links.Next() {
		info, err := links.Link.Info()
		if errors.Is(err, ebpf.ErrNotSupported) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if info.Cgroup() != nil {
			f(info.ID, links.Link)
		}
	}
	if err := links.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestHookThatIsTakenOffIsTold(t *testing.T) {
	kerneltest.RequireRoot(t)
	others := map[link.ID]bool{}
	b := start(t, strings.Replace(strings.Replace(toFile, "time-wait-exhaustion", "dns-caching", 1), "%s", "out", 1))
	b.hear("READY=1")
	detach(t, others)
	told := map[string]bool{}
	kerneltest.Within(t, patience, "hook and trap to be told as blind", func() bool {
		text, err := os.ReadFile(b.path("out"))
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(text)) {
			var r finding.NoticeDocument
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			told[string(r.Event.Action)+" "+r.Trapbpf.Agent.Hook+string(r.Trapbpf.Agent.Trap)] = true
		}
		return told["hook-blind dns_packet"] && told["trap-blind dns-caching"]
	})
}
