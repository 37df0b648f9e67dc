// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/event"
)

// What resolv.conf(5) says where the file says nothing, and its caps.
const (
	defaultNdots    = 1
	defaultTimeout  = 5
	defaultAttempts = 2
	maxNdots        = 15
	maxTimeout      = 30
	maxAttempts     = 5
)

// Bounds of what a file may say: a resolver's own are lower (three nameservers).
const (
	maxNameservers = 8
	maxSearch      = 32
	maxOptions     = 32
)

// parseResolvConf reads a resolv.conf as glibc's res_init.c does: the last "search" or
// "domain" counts, options add up.
func parseResolvConf(r *event.Resolver, content string) {
	r.Ndots, r.Timeout, r.Attempts = defaultNdots, defaultTimeout, defaultAttempts
	for line := range strings.Lines(content) {
		if line[0] == '#' || line[0] == ';' {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if addr, err := netip.ParseAddr(words[1]); err == nil && len(r.Nameservers) < maxNameservers {
				r.Nameservers = append(r.Nameservers, addr)
			}
		case "search", "domain":
			r.Search = searchList(words[1:])
		case "options":
			for _, option := range words[1:] {
				takeOption(r, option)
			}
		}
	}
}

func searchList(words []string) []string {
	var list []string
	for _, word := range words[:min(len(words), maxSearch)] {
		name := strings.ToLower(strings.Trim(word, "."))
		if name != "" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func takeOption(r *event.Resolver, option string) {
	if len(r.Options) < maxOptions {
		r.Options = append(r.Options, option)
	}
	key, value, _ := strings.Cut(option, ":")
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return
	}
	switch key {
	case "ndots":
		r.Ndots = min(n, maxNdots)
	case "timeout":
		r.Timeout = min(n, maxTimeout)
	case "attempts":
		r.Attempts = min(n, maxAttempts)
	}
}

// hostsLine gives which services nsswitch.conf(5) asks for host names, in their order.
func hostsLine(content string) string {
	for line := range strings.Lines(content) {
		line, _, _ = strings.Cut(line, "#")
		if database, services, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(database) == "hosts" {
			return strings.Join(strings.Fields(services), " ")
		}
	}
	return ""
}
