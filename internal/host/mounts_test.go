// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/enrich"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
	"golang.org/x/sys/unix"
)

// container starts a process called name that sleeps, in the namespace and in mounts of
// its own, which the shell lines of setup change. It gives the process's id.
func container(t *testing.T, ns *kerneltest.Netns, name, setup string) uint32 {
	t.Helper()
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(program, content, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-e", "-c", setup+"\nexec "+program+" 60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	cmd.Stderr = os.Stderr
	ns.Do(t, cmd.Start)
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed
	})
	kerneltest.Within(t, 10*time.Second, "the process to run", func() bool {
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid))
		return err == nil && strings.TrimSpace(string(comm)) == name
	})
	return uint32(cmd.Process.Pid)
}

func resolverIn(t *testing.T, ns *kerneltest.Netns, pid uint32) *event.Resolver {
	t.Helper()
	world := Real()
	world.Process = enrich.New(enrich.Real()).Look
	return realAnswer[*event.Resolver](t, New(world), event.Want{Of: event.KindResolver, Netns: ns.ID, PID: pid})
}

// A pod's file, as the kubelet writes it; and a cache in the pod's namespace.
const podEtc = `mount -t tmpfs none /etc
printf 'search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n' > /etc/resolv.conf
printf 'hosts: files myhostname dns # in this order\n' > /etc/nsswitch.conf`

// A host whose resolv.conf belongs to systemd-resolved, with two servers behind it.
const resolvedEtc = `mount -t tmpfs none /etc
mount -t tmpfs none /run
mkdir -p /run/systemd/resolve
printf 'nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch lan.test\n' > /run/systemd/resolve/stub-resolv.conf
printf 'nameserver 192.0.2.53\nnameserver 2001:db8::53\n' > /run/systemd/resolve/resolv.conf
ln -s ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf`

func TestProcessIsAnsweredForByItsOwnMounts(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := kerneltest.Namespace(t)
	virtual := container(t, ns, "java", podEtc)
	cache := container(t, ns, "nscd", podEtc)
	r := resolverIn(t, ns, virtual)
	if r.Elsewhere || !slices.Equal(r.Search, []string{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local"}) ||
		r.Ndots != 5 || !slices.Equal(r.Nameservers, []netip.Addr{netip.MustParseAddr("10.96.0.10")}) {
		t.Errorf("told %+v", *r)
	}
	if r.Hosts != "files myhostname dns" || r.Virtual != "java" {
		t.Errorf("hosts %q, runtime %q", r.Hosts, r.Virtual)
	}
	if !slices.Contains(r.Caches, event.Cache{Name: "nscd", PID: cache, Netns: ns.ID}) {
		t.Errorf("nscd (%d) is not among %+v", cache, r.Caches)
	}
	if r := resolverIn(t, ns, cache); r.Virtual != "" {
		t.Errorf("nscd is a %s", r.Virtual)
	}
}

func TestLinkOfAContainerLeadsIntoTheContainer(t *testing.T) {
	kerneltest.RequireRoot(t)
	ns := kerneltest.Namespace(t)
	r := resolverIn(t, ns, container(t, ns, "app", resolvedEtc))
	if r.Link != "../run/systemd/resolve/stub-resolv.conf" || !slices.Equal(r.Nameservers, []netip.Addr{netip.MustParseAddr("127.0.0.53")}) {
		t.Errorf("told %+v", *r)
	}
	want := []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")}
	if !slices.Equal(r.Upstreams, want) {
		t.Errorf("upstreams %v, want %v", r.Upstreams, want)
	}
}
