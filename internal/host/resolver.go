// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	resolvConf   = "/etc/resolv.conf"
	nsswitchConf = "/etc/nsswitch.conf"
	// resolvedConf is what systemd-resolved itself asks (systemd-resolved.service(8)).
	resolvedConf = "/run/systemd/resolve/resolv.conf"
)

// Bounds of the look for caches: a pass over all processes is made at most so often.
const (
	cachesEvery = 5 * time.Second
	maxCaches   = 16
)

// view is where a process's files are found.
type view struct {
	root string // "" is the agent's own
	conf string // resolv.conf in it
	// elsewhere is true where it is not the process's own.
	elsewhere bool
}

// resolver answers how a process resolves names. A process that has ended is answered
// for by the files that its namespace's programs read.
func (h *Host) resolver(at Target, w event.Want) (event.Event, error) {
	v, content, err := h.viewOf(at, w.PID)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", resolvConf, err)
	}
	answer := &event.Resolver{PID: w.PID, Path: v.root + v.conf, Elsewhere: v.elsewhere}
	if h.world.ReadLink != nil {
		answer.Link, _ = h.world.ReadLink(v.root + v.conf) // "" for a file of its own
	}
	parseResolvConf(answer, string(content))
	if order, err := h.world.ReadIn(v.root, nsswitchConf); err == nil {
		answer.Hosts = hostsLine(string(order))
	}
	if upstream, err := h.world.ReadIn(v.root, resolvedConf); err == nil {
		var behind event.Resolver
		parseResolvConf(&behind, string(upstream))
		answer.Upstreams = behind.Nameservers
	}
	answer.Caches = h.caches()
	answer.Serves = h.serves(at, w.PID)
	answer.Virtual = h.virtual(w.PID)
	answer.Header = h.head(w)
	return answer, nil
}

// viewOf finds the resolv.conf that a process reads. Where it has ended: the file that
// ip-netns(8) puts in its place in a named namespace, that of another process of the
// namespace, or the agent's own.
func (h *Host) viewOf(at Target, pid uint32) (view, []byte, error) {
	var tries []view
	if pid != 0 {
		tries = append(tries, view{root: "/proc/" + strconv.FormatUint(uint64(pid), 10) + "/root", conf: resolvConf})
	}
	tries = append(tries, h.otherViews(at)...)
	var first error
	for _, v := range tries {
		content, err := h.world.ReadIn(v.root, v.conf)
		if err == nil {
			return h.lasting(at, v), content, nil
		}
		first = errors.Join(first, err)
	}
	return view{}, nil, first
}

// otherViews are the files that a namespace's programs read, most particular first.
func (h *Host) otherViews(at Target) []view {
	var views []view
	if at.Name != "" {
		views = append(views, view{conf: "/etc/netns/" + at.Name + "/resolv.conf", elsewhere: true})
	}
	if process, ok := strings.CutSuffix(at.Path, "/ns/net"); ok && strings.HasPrefix(at.Path, "/proc/") {
		views = append(views, view{root: process + "/root", conf: resolvConf, elsewhere: true})
	}
	return append(views, view{conf: resolvConf, elsewhere: true})
}

// lasting names the file by a path that holds for longer than the process does, where
// one leads to the same file: a program that looks up one name ends at once.
func (h *Host) lasting(at Target, v view) view {
	if h.world.SameFile == nil || v.elsewhere {
		return v
	}
	for _, other := range h.otherViews(at) {
		if h.world.SameFile(v.root+v.conf, other.root+other.conf) {
			other.elsewhere = false
			return other
		}
	}
	return v
}

// virtual names the runtime that a process is, where that keeps answers by itself.
func (h *Host) virtual(pid uint32) string {
	if h.world.Process == nil || pid == 0 {
		return ""
	}
	found := h.world.Process(pid, 0)
	if path.Base(found.Executable) == "java" || found.Name == "java" {
		return "java"
	}
	return ""
}

// cacheNames are the programs that keep answers, by their kernel name, which has 15
// bytes at most.
func cacheNames() map[string]string {
	return map[string]string{
		"systemd-resolve": "systemd-resolved", "nscd": "nscd", "dnsmasq": "dnsmasq", "unbound": "unbound",
		"named": "named", "coredns": "coredns", "pdns_recursor": "pdns_recursor", "kresd": "kresd", "node-cache": "node-cache",
	}
}

// caches lists the caching resolvers that run.
func (h *Host) caches() []event.Cache {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.world.Now()
	if h.cachesAt != 0 && now.Sub(h.cachesAt) < cachesEvery {
		return h.cachesSeen
	}
	h.cachesAt, h.cachesSeen = now, nil
	names := cacheNames()
	for _, pid := range h.processes() {
		proc := "/proc/" + strconv.Itoa(pid)
		comm, err := h.world.ReadFile(proc + "/comm")
		name, known := names[strings.TrimSpace(string(comm))]
		if err != nil || !known || len(h.cachesSeen) >= maxCaches {
			continue
		}
		inode, _ := h.world.Inode(proc + "/ns/net") // 0 where it has just ended
		h.cachesSeen = append(h.cachesSeen, event.Cache{Name: name, PID: uint32(pid), Netns: inode})
	}
	return h.cachesSeen
}
