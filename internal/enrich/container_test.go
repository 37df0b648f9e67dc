// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package enrich

import (
	"strings"
	"testing"
)

const (
	outer = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	inner = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
	task  = "0123456789abcdef0123456789abcdef"
)

func TestContainerIsKnownByItsControlGroup(t *testing.T) {
	const pod = "/kubepods/besteffort/pod1f1d9ca4-7a31-4b7a-8a3e-2f6a9d0b1c2d"
	const slice = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1f1d9ca4_7a31_4b7a_8a3e_2f6a9d0b1c2d.slice"
	for path, want := range map[string]string{
		"/docker/" + outer:                                    outer,
		"/system.slice/docker-" + outer + ".scope":            outer,
		"/system.slice/docker-" + outer + ".scope/init.scope": outer,
		pod + "/" + outer:                                     outer,
		slice + "/cri-containerd-" + outer + ".scope":         outer,
		slice + "/docker-" + outer + ".scope":                 outer,
		slice + "/crio-" + outer + ".scope":                   outer,
		slice + "/crio-conmon-" + outer + ".scope":            "",
		"/system.slice/containerd.service/kubepods-burstable-pod1f1d9ca4.slice:cri-containerd:" + outer: outer,
		"/machine.slice/libpod-" + outer + ".scope":                                                     outer,
		"/machine.slice/libpod-" + outer + ".scope/container":                                           outer,
		"/machine.slice/libpod-conmon-" + outer + ".scope":                                              "",
		"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + outer + ".scope/container": outer,
		"/libpod_parent/libpod-" + outer:                                                                outer,
		"/ecs/" + task + "/" + task + "-1234567890":                                                     task + "-1234567890",
		"/docker/" + outer + "/kubelet/kubepods/besteffort/pod1/" + inner:                               inner,
		"/../../docker/" + outer:                                                                        outer,
		"/":                                                                                             "",
		"/system.slice/ssh.service":                                                                     "",
		"/user.slice/user-1000.slice/session-2.scope":                                                   "",
		"/system.slice/docker-" + outer[1:] + ".scope":                                                  "",
		"/docker/" + strings.ToUpper(outer):                                                             "",
		"":                                                                                              "",
	} {
		if got := groupOf(path).container; got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

func TestUnifiedHierarchyIsToldUnlessAnOlderOneNamesTheContainer(t *testing.T) {
	for name, one := range map[string]struct{ groups, path, container string }{
		"unified":           {"0::/system.slice/ssh.service\n", "/system.slice/ssh.service", ""},
		"unified container": {"0::/system.slice/docker-" + outer + ".scope\n", "/system.slice/docker-" + outer + ".scope", outer},
		"hybrid": {
			"4:memory:/docker/" + outer + "\n1:name=systemd:/docker/" + outer + "\n0::/\n", "/docker/" + outer, outer,
		},
		"hybrid without container": {"4:memory:/user.slice\n0::/user.slice/a\n", "/user.slice/a", ""},
		"old":                      {"9:cpu,cpuacct:/docker/" + outer + "\n4:memory:/docker/" + outer + "\n", "/docker/" + outer, outer},
		"colon in a name":          {"0::/a:b:c\n", "/a:b:c", ""},
		"nothing":                  {"", "", ""},
		"cut short":                {"0:", "", ""},
	} {
		if got := control(one.groups); got.path != one.path || got.container != one.container {
			t.Errorf("%s: got %+v, want %q, %q", name, got, one.path, one.container)
		}
	}
}

func FuzzContainerIDIsPartOfThePath(f *testing.F) {
	f.Add("/docker/" + outer)
	f.Add("///-.scope:::")
	f.Fuzz(func(t *testing.T, path string) {
		if id := groupOf(path).container; !strings.Contains(path, id) {
			t.Errorf("%q: %q", path, id)
		}
	})
}
