// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"slices"
	"testing"

	"github.com/trapbpf/trapbpf/pkg/event"
)

func TestNamespacesAreFoundByNameMountAndProcessOnceEach(t *testing.T) {
	f := newFake()
	f.files["/proc/self/mountinfo"] = "30 1 0:4 net:[4026532400] /run/docker/netns/a\\040b rw shared:1 - nsfs nsfs rw\n" +
		"31 1 0:4 net:[4026532176] /run/netns/blue rw - nsfs nsfs rw\n32 1 8:1 / / rw - ext4 /dev/sda rw\n"
	f.inodes["/run/docker/netns/a b"] = 4026532400
	got := New(f.world()).Namespaces()
	want := []Target{
		{Inode: ownInode, PID: 1},
		{Inode: blueInode, Name: "blue", Path: "/run/netns/blue"},
		{Inode: podInode, Path: "/proc/9/ns/net", PID: 9},
		{Inode: 4026532400, Path: "/run/docker/netns/a b"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOwnNamespaceNeedsNoPath(t *testing.T) {
	f := newFake()
	if at, ok := New(f.world()).Locate(ownInode); !ok || at.Path != "" || f.scans != 0 {
		t.Errorf("got %+v, %v after %d scans", at, ok, f.scans)
	}
}

func TestLocateDoesNotScanForWhatItKnows(t *testing.T) {
	f := newFake()
	h := New(f.world())
	for range 100 {
		if _, ok := h.Locate(blueInode); !ok {
			t.Fatal("blue was not found")
		}
	}
	if f.scans != 1 {
		t.Errorf("%d scans, want 1", f.scans)
	}
}

func TestStreamOfUnknownNamespacesDoesNotTurnIntoAStreamOfScans(t *testing.T) {
	f := newFake()
	h := New(f.world())
	for i := range 1000 {
		if _, ok := h.Locate(event.Netns(i + 1)); ok {
			t.Fatalf("%d was found", i+1)
		}
	}
	if f.scans != scanBurst {
		t.Errorf("%d scans at once, want %d", f.scans, scanBurst)
	}
	f.clock = f.clock.Add(3 * scanEvery)
	for i := range 1000 {
		h.Locate(event.Netns(i + 1))
	}
	if f.scans != scanBurst+3 {
		t.Errorf("%d scans three seconds later, want %d", f.scans, scanBurst+3)
	}
}

func TestNamespaceThatWasNotLookedForIsNotCalledGone(t *testing.T) {
	h := New(newFake().world())
	for range scanBurst {
		if _, err := h.find(98); !errors.Is(err, ErrGone) {
			t.Fatalf("looked for and not found: %v", err)
		}
	}
	if _, err := h.find(99); errors.Is(err, ErrGone) || err == nil {
		t.Errorf("not looked for: %v", err)
	}
}

func TestResolveTakesNamePathAndInode(t *testing.T) {
	f := newFake()
	f.lists["/run/netns/"] = append(f.lists["/run/netns/"], "4026532176")
	f.inodes["/run/netns/4026532176"] = 4026532500
	f.inodes["/somewhere/net"] = 4026532600
	h := New(f.world())
	for word, want := range map[string]Target{
		"blue":             {Inode: blueInode, Name: "blue", Path: "/run/netns/blue"},
		"/run/netns/blue":  {Inode: blueInode, Name: "blue", Path: "/run/netns/blue"},
		"4026532300":       {Inode: podInode, Path: "/proc/9/ns/net", PID: 9},
		"net:[4026532300]": {Inode: podInode, Path: "/proc/9/ns/net", PID: 9},
		"/proc/70/ns/net":  {Inode: podInode, Path: "/proc/9/ns/net", PID: 9},
		"/somewhere/net":   {Inode: 4026532600, Path: "/somewhere/net"},
		"4026531840":       {Inode: ownInode, PID: 1},
		"4026532176":       {Inode: 4026532500, Name: "4026532176", Path: "/run/netns/4026532176"},
	} {
		if got, err := h.Resolve(word); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", word, got, err, want)
		}
	}
}

func TestResolveNamesTheNearestNamespace(t *testing.T) {
	f := newFake()
	f.inodes["/run/netns/green"] = 4026532700
	h := New(f.world())
	for word, want := range map[string]string{
		"blu":       "no network namespace \"blu\"; did you mean \"blue\"?",
		"unrelated": "no network namespace \"unrelated\"; there are blue, green",
		"12":        "no network namespace \"12\"; there are blue, green",
	} {
		_, err := h.Resolve(word)
		var unknown *UnknownError
		if !errors.As(err, &unknown) || err.Error() != want {
			t.Errorf("%s: got %v, want %s", word, err, want)
		}
	}
	if got, err := h.Resolve("/no/such/file"); err == nil {
		t.Errorf("a path that is not there: got %+v", got)
	}
}
