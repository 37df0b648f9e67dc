// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

const (
	uid    = "1f1d9ca4-7a31-4b7a-8a3e-2f6a9d0b1c2d"
	static = "0123456789abcdef0123456789abcdef"
)

// tree is a host's root directory made of files.
type tree struct {
	testing.TB
	root string
}

func (r tree) write(path, text string) {
	r.Helper()
	full := filepath.Join(r.root, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// process starts one in a control group.
func (r tree) process(pid int, cgroup string) {
	r.Helper()
	r.write(fmt.Sprintf("proc/%d/stat", pid), fmt.Sprintf("%d (app) S 1%s %d 0 0\n", pid, strings.Repeat(" 0", 17), pid))
	r.write(fmt.Sprintf("proc/%d/cgroup", pid), cgroup)
}

func TestPodOfEveryRuntimeIsToldFromTheNodesLogs(t *testing.T) {
	r := tree{t, t.TempDir()}
	r.write("var/log/pods/shop_api-7d4b9c_"+uid+"/api/0.log", "")
	r.write("var/log/pods/shop_api-7d4b9c_"+uid+"/proxy/0.log", "")
	r.write("var/log/pods/kube-system_etcd-node1_"+static+"/etcd/0.log", "")
	r.write("var/log/containers/api-7d4b9c_shop_api-"+outer+".log", "")
	r.write("var/log/containers/api-7d4b9c_shop_proxy-"+inner+".log", "")
	dashed := strings.ReplaceAll(uid, "-", "_")
	slice := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + dashed + ".slice/"
	api := event.Pod{UID: uid, Namespace: "shop", Name: "api-7d4b9c", Container: "api"}
	proxy, bare := api, api
	proxy.Container, bare.Container = "proxy", ""
	for i, c := range []struct {
		cgroup, runtime string
		pod             event.Pod
	}{
		{"0::" + slice + "cri-containerd-" + outer + ".scope", "containerd", api},
		{"0::" + slice + "crio-" + inner + ".scope", "cri-o", proxy},
		{"0::" + slice + "docker-" + outer + ".scope", "docker", api},
		{"0::/kubepods/burstable/pod" + uid + "/" + outer, "", api},
		{"0::/kubepods/pod" + uid + "/crio-" + outer, "cri-o", api},
		{"0::/system.slice/containerd.service/kubepods-burstable-pod" + dashed + ".slice:cri-containerd:" + outer, "containerd", api},
		{"4:memory:/kubepods/burstable/pod" + uid + "/" + inner + "\n1:name=systemd:/kubepods/burstable/pod" + uid + "/" + inner, "", proxy},
		{"0::" + slice + "cri-containerd-" + strings.Repeat("ab", 32) + ".scope", "containerd", bare}, // its sandbox
		{"0::" + slice, "", bare},
		{"0::/kubepods.slice/kubepods-pod" + static + ".slice/cri-containerd-" + strings.Repeat("cd", 32) + ".scope", "containerd",
			event.Pod{UID: static, Namespace: "kube-system", Name: "etcd-node1"}},
		{"0::/docker/" + outer + "/kubelet/kubepods/besteffort/pod" + uid + "/" + inner, "", proxy},
		{"0::/kubepods/pod" + strings.Repeat("0", 32) + "/" + outer, "", event.Pod{UID: strings.Repeat("0", 32)}},
		{"0::/machine.slice/libpod-" + outer + ".scope/container", "podman", event.Pod{}},
		{"0::/machine.slice/machine-libpod_pod_" + outer + ".slice/libpod-" + inner + ".scope", "podman", event.Pod{}},
	} {
		r.process(100+i, c.cgroup+"\n")
		got := New(Under(r.root)).Look(uint32(100+i), 0)
		if got.Pod != c.pod || got.Runtime != c.runtime || got.Unit != "" {
			t.Errorf("%s: got %+v, runtime %q, unit %q", c.cgroup, got.Pod, got.Runtime, got.Unit)
		}
	}
}

func TestOnlyContainerOfAPodNeedsNoLink(t *testing.T) {
	r := tree{t, t.TempDir()}
	r.write("var/log/pods/shop_api_"+uid+"/api/0.log", "")
	r.process(7, "0::/kubepods/pod"+uid+"/"+outer+"\n")
	if got := New(Under(r.root)).Look(7, 0); got.Pod.Container != "api" {
		t.Errorf("got %+v", got.Pod)
	}
}

func TestPodThatIsYoungerThanItsLogIsLookedForAgain(t *testing.T) {
	r := tree{t, t.TempDir()}
	found := newPods(Under(r.root))
	if got := found.find(uid, outer); got != (event.Pod{UID: uid}) {
		t.Errorf("got %+v", got)
	}
	r.write("var/log/pods/shop_api_"+uid+"/api/0.log", "")
	r.write("var/log/containers/api_shop_api-"+outer+".log", "")
	want := event.Pod{UID: uid, Namespace: "shop", Name: "api", Container: "api"}
	if got := found.find(uid, outer); got != want {
		t.Errorf("got %+v", got)
	}
	if err := os.RemoveAll(filepath.Join(r.root, "var")); err != nil {
		t.Fatal(err)
	}
	if got := found.find(uid, outer); got != want {
		t.Errorf("it is forgotten: %+v", got)
	}
}

func TestPodsAreBounded(t *testing.T) {
	r := tree{t, t.TempDir()}
	r.write("var/log/pods/shop_api_"+uid+"/api/0.log", "")
	found := newPods(Under(r.root))
	for i := range maxPods + 10 {
		found.find(uid, fmt.Sprintf("%064x", i))
	}
	if len(found.known) > maxPods || len(found.known) == 0 {
		t.Errorf("%d are kept", len(found.known))
	}
}

func TestUnitIsTheInnermostServiceOrScope(t *testing.T) {
	for groups, want := range map[string]string{
		"0::/system.slice/ssh.service\n":                                                  "ssh.service",
		"0::/system.slice/ssh.service/worker\n":                                           "ssh.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-web@1.service\n":  "app-web@1.service",
		"0::/user.slice/user-1000.slice/session-2.scope\n":                                "session-2.scope",
		"9:cpu:/\n1:name=systemd:/system.slice/nginx.service\n":                           "nginx.service",
		"9:cpu:/system.slice/other.service\n1:name=systemd:/system.slice/nginx.service\n": "nginx.service",
		"1:name=systemd:/system.slice/nginx.service\n0::/system.slice/nginx.service\n":    "nginx.service",
		"0::/system.slice/docker-" + outer + ".scope\n":                                   "",
		"0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" + outer: "",
		"0::/\n": "",
	} {
		if got := control(groups); got.unit != want {
			t.Errorf("%q: got %q, want %q", groups, got.unit, want)
		}
	}
}

// A process that has ended before anybody looked leaves its control group.
func TestEndedProcessIsToldByItsControlGroup(t *testing.T) {
	kerneltest.RequireRoot(t)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	root := unifiedMount(string(mounts))
	if root == "" {
		t.Fatal("no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup")
	}
	parent := filepath.Join(root, fmt.Sprintf("tbkt-%d.slice", os.Getpid()))
	dir := filepath.Join(parent, "docker-"+outer+".scope")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir); os.Remove(parent) })
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	got := New(Real()).Look(uint32(child.Process.Pid), st.Ino)
	if got.ContainerID != outer || got.Runtime != "docker" || got.CgroupPath != strings.TrimPrefix(dir, root) || got.Name != "" {
		t.Errorf("got %+v", got)
	}
	if got.Cgroup != st.Ino {
		t.Errorf("control group %d, want %d", got.Cgroup, st.Ino)
	}
	if got := New(Real()).Look(uint32(child.Process.Pid), 1<<60); got.ContainerID != "" || got.CgroupPath != "" {
		t.Errorf("a group that never was: %+v", got)
	}
}

// The real tree: every process that runs can be looked at, this one's child among them.
func TestEveryRunningProcessIsDescribed(t *testing.T) {
	names, err := Real().List("/proc")
	if err != nil {
		t.Fatal(err)
	}
	all, described := New(Real()), 0
	for _, name := range names {
		pid, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			continue
		}
		if got := all.Look(uint32(pid), 0); got.Name != "" && got.CgroupPath != "" {
			described++
		}
	}
	if described < 2 { // this one, and the go command or a shell that started it
		t.Errorf("%d processes are described", described)
	}
}

func FuzzControlGroupsGiveWhatTheyHold(f *testing.F) {
	f.Add("0::/kubepods/pod" + uid + "/" + outer + "\n")
	f.Add("1:name=systemd:/system.slice/a.service\n0::/kubepods.slice/kubepods-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice:cri-containerd:" + outer)
	f.Fuzz(func(t *testing.T, groups string) {
		g := control(groups)
		if !strings.Contains(groups, g.path) || !strings.Contains(groups, g.container) || !strings.Contains(groups, g.unit) ||
			!strings.Contains(strings.ReplaceAll(groups, "_", "-"), g.pod) {
			t.Errorf("%q: %+v", groups, g)
		}
	})
}
