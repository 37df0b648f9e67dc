// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/pkg/event"
)

const clusterConf = `# written by the kubelet
search shop.svc.cluster.local svc.cluster.local. CLUSTER.local
nameserver 10.96.0.10
nameserver fe80::1%eth0
nameserver nonsense
options ndots:5 edns0
options timeout:2 ndots:99
`

// resolving gives the world of a fake with files as processes see them.
func resolving(f *fake) World {
	w := f.world()
	w.ReadIn = func(root, path string) ([]byte, error) { return f.readFile(root + path) }
	w.ReadLink = func(path string) (string, error) {
		if path == "/etc/resolv.conf" {
			return "../run/systemd/resolve/stub-resolv.conf", nil
		}
		return "", os.ErrInvalid
	}
	w.SameFile = func(a, b string) bool { return f.files[a] != "" && f.files[a] == f.files[b] }
	return w
}

func resolverOf(t *testing.T, f *fake, id event.Netns, pid uint32) *event.Resolver {
	t.Helper()
	e, err := New(resolving(f)).Answer(context.Background(), event.Want{Of: event.KindResolver, Netns: id, PID: pid})
	if err != nil {
		t.Fatal(err)
	}
	r, ok := e.(*event.Resolver)
	if !ok {
		t.Fatalf("answered %+v", e)
	}
	return r
}

func TestResolverIsThatOfTheProcess(t *testing.T) {
	f := newFake()
	f.files["/proc/70/root/etc/resolv.conf"] = clusterConf
	f.files["/proc/70/root/etc/nsswitch.conf"] = "passwd: files\nhosts:  files  mdns4_minimal [NOTFOUND=return] dns # as usual\n"
	f.files["/proc/9/comm"] = "dnsmasq\n"
	f.files["/proc/1/comm"] = "systemd-resolve\n"
	r := resolverOf(t, f, podInode, 70)
	if r.Path != "/proc/70/root/etc/resolv.conf" || r.Elsewhere || r.Link != "" || r.PID != 70 || r.Netns != podInode {
		t.Errorf("told %+v", *r)
	}
	if !slices.Equal(r.Search, []string{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local"}) ||
		r.Ndots != 15 || r.Timeout != 2 || r.Attempts != 2 || len(r.Options) != 4 {
		t.Errorf("told %+v", *r)
	}
	if len(r.Nameservers) != 2 || r.Nameservers[0] != netip.MustParseAddr("10.96.0.10") || r.Hosts != "files mdns4_minimal [NOTFOUND=return] dns" {
		t.Errorf("told %+v", *r)
	}
	want := []event.Cache{{Name: "systemd-resolved", PID: 1, Netns: ownInode}, {Name: "dnsmasq", PID: 9, Netns: podInode}}
	if !slices.Equal(r.Caches, want) {
		t.Errorf("caches %+v", r.Caches)
	}
}

func TestResolverOfAProcessThatEndedIsThatOfItsNamespace(t *testing.T) {
	f := newFake()
	f.files["/etc/resolv.conf"] = "nameserver 127.0.0.53\n"
	f.files["/proc/9/root/etc/resolv.conf"] = clusterConf
	if r := resolverOf(t, f, podInode, 4242); r.Path != "/proc/9/root/etc/resolv.conf" || !r.Elsewhere {
		t.Errorf("told %+v", *r)
	}
	f.files["/etc/netns/blue/resolv.conf"] = "nameserver 192.0.2.1\n"
	if r := resolverOf(t, f, blueInode, 4242); r.Path != "/etc/netns/blue/resolv.conf" || !r.Elsewhere || r.Ndots != 1 || r.Timeout != 5 {
		t.Errorf("told %+v", *r)
	}
	if r := resolverOf(t, f, ownInode, 4242); r.Path != "/etc/resolv.conf" || !r.Elsewhere || r.Link == "" {
		t.Errorf("told %+v", *r)
	}
}

func TestResolverFileIsNamedByWhatOutlivesTheProcess(t *testing.T) {
	f := newFake()
	f.files["/proc/70/root/etc/resolv.conf"] = clusterConf
	f.files["/etc/netns/blue/resolv.conf"] = clusterConf
	if r := resolverOf(t, f, blueInode, 70); r.Path != "/etc/netns/blue/resolv.conf" || r.Elsewhere {
		t.Errorf("told %+v", *r)
	}
}

func TestUpstreamsAreThoseOfResolved(t *testing.T) {
	f := newFake()
	f.files["/etc/resolv.conf"] = "nameserver 127.0.0.53\n"
	f.files["/proc/70/root/etc/resolv.conf"] = "nameserver 127.0.0.53\n"
	f.files["/run/systemd/resolve/resolv.conf"] = "nameserver 192.0.2.53\nnameserver 2001:db8::53\n"
	r := resolverOf(t, f, ownInode, 70)
	if len(r.Upstreams) != 2 || r.Upstreams[1] != netip.MustParseAddr("2001:db8::53") {
		t.Errorf("told %+v", *r)
	}
}

func TestVirtualMachineIsRecognised(t *testing.T) {
	f := newFake()
	f.files["/etc/resolv.conf"] = "nameserver 127.0.0.53\n"
	w := resolving(f)
	w.Process = func(pid uint32, _ uint64) event.Process {
		return event.Process{PID: pid, Name: "main", Executable: "/opt/jdk/bin/java"}
	}
	e, err := New(w).Answer(context.Background(), event.Want{Of: event.KindResolver, Netns: ownInode, PID: 70})
	if err != nil || e.(*event.Resolver).Virtual != "java" {
		t.Errorf("answered %+v, %v", e, err)
	}
}

func TestLooksForCachesAreFarBetween(t *testing.T) {
	f := newFake()
	f.files["/etc/resolv.conf"] = "nameserver 127.0.0.53\n"
	h := New(resolving(f))
	ask := func() *event.Resolver {
		e, err := h.Answer(context.Background(), event.Want{Of: event.KindResolver, Netns: ownInode})
		if err != nil {
			t.Fatal(err)
		}
		return e.(*event.Resolver)
	}
	ask()
	f.files["/proc/9/comm"] = "nscd\n"
	if got := ask().Caches; len(got) != 0 {
		t.Errorf("looked again at once: %+v", got)
	}
	f.clock = f.clock.Add(cachesEvery + time.Millisecond)
	if got := ask().Caches; len(got) != 1 || got[0].Name != "nscd" {
		t.Errorf("caches %+v", got)
	}
}

func TestLinksInsideAnotherRootStayInside(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{"real.conf": "inside"} {
		if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/../../../../real.conf", filepath.Join(root, "etc/resolv.conf")); err != nil {
		t.Fatal(err)
	}
	got, err := readIn(root, "/etc/resolv.conf")
	if err != nil || string(got) != "inside" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := readIn(root, "/etc/passwd"); !os.IsNotExist(err) {
		t.Errorf("a file of the host's was read: %v", err)
	}
}

func FuzzResolvConf(f *testing.F) {
	f.Add(clusterConf)
	f.Add("options\nsearch\nnameserver\n;\n#\nsearch . .. a\noptions ndots: ndots:-1 ndots:x:y\n")
	f.Fuzz(func(t *testing.T, content string) {
		var r event.Resolver
		parseResolvConf(&r, content)
		if r.Ndots < 0 || r.Ndots > maxNdots || len(r.Nameservers) > maxNameservers || len(r.Search) > maxSearch || len(r.Options) > maxOptions {
			t.Errorf("read %+v", r)
		}
		hostsLine(content)
	})
}
