// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
)

func TestResolversOfContainersAreReadOncePerMountNamespace(t *testing.T) {
	f := newFake()
	f.lists["/proc"] = []string{"self", "70", "9", "1", "5"}
	w := f.world()
	spaces := map[string]string{
		"/proc/self/ns/mnt": "mnt:[1]", "/proc/1/ns/mnt": "mnt:[1]", "/proc/9/ns/mnt": "mnt:[2]", "/proc/70/ns/mnt": "mnt:[2]",
	}
	w.ReadLink = func(path string) (string, error) {
		if at, ok := spaces[path]; ok {
			return at, nil
		}
		return "", errors.New("not permitted")
	}
	var read []string
	w.ReadIn = func(root, path string) ([]byte, error) {
		read = append(read, root+path)
		return []byte("nameserver 10.96.0.10\nsearch a.svc.cluster.local svc.cluster.local\n"), nil
	}
	got := New(w).Resolvers()
	if len(got) != 1 || got[0].PID != 9 || got[0].Netns != podInode || got[0].Nameservers[0] != netip.MustParseAddr("10.96.0.10") {
		t.Errorf("got %+v", got)
	}
	if !slices.Equal(read, []string{"/proc/9/root/etc/resolv.conf"}) {
		t.Errorf("read %v", read)
	}
}

func TestResolversOfTheRunningHostAreReadable(t *testing.T) {
	for _, r := range New(Real()).Resolvers() {
		if r.PID == 0 || r.Path == "" || r.Ndots == 0 {
			t.Errorf("got %+v", r)
		}
	}
}
