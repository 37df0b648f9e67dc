// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package chart holds the Helm chart by Helm's own library and Kubernetes' own types. It
// is a module apart, so that those decide nothing about the agent's dependencies.
package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const (
	chartFolder = "../trapbpf"
	root        = "../../.."
)

// objects are what the chart makes of a release.
type objects struct {
	daemon  apps.DaemonSet
	config  core.ConfigMap
	account core.ServiceAccount
}

// render does what `helm template` does, and decodes strictly: a field that Kubernetes
// does not know, or one that stands twice, is an error.
func render(t *testing.T, values string) (objects, error) {
	t.Helper()
	chart, err := loader.LoadDir(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	given, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	release := chartutil.ReleaseOptions{Name: "net", Namespace: "monitoring", Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(chart, given, release, chartutil.DefaultCapabilities)
	if err != nil {
		return objects{}, err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	if err != nil {
		return objects{}, err
	}
	var o objects
	for name, into := range map[string]any{"daemonset": &o.daemon, "configmap": &o.config, "serviceaccount": &o.account} {
		if err := yaml.UnmarshalStrict([]byte(files["trapbpf/templates/"+name+".yaml"]), into); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, files["trapbpf/templates/"+name+".yaml"])
		}
	}
	for name, text := range files {
		if strings.Contains(text, "kind: ClusterRole") || strings.Contains(text, "kind: Role") {
			t.Errorf("%s asks the API server for rights", name)
		}
	}
	return o, nil
}

const full = `
image: {repository: registry.example.net/trapbpf, tag: v0.1.0}
imagePullSecrets: [{name: pull}]
config:
  confirm: true
  sinks:
    siem:
      min-severity: medium
      http: {url: "https://splunk.example.net:8088/services/collector/event", body: splunk, headers: {Authorization: "Splunk ${env:HEC_TOKEN}"}}
secretName: trapbpf-tokens
extraCapabilities: [NET_RAW, SYSLOG]
priorityClassName: system-node-critical
podAnnotations: {example.net/team: net}
seLinuxOptions: {type: spc_t}
`

func TestPodHasTheLeastThatItNeeds(t *testing.T) {
	for name, values := range map[string]string{"default": "", "full": full} {
		t.Run(name, func(t *testing.T) {
			o, err := render(t, values)
			if err != nil {
				t.Fatal(err)
			}
			pod := o.daemon.Spec.Template.Spec
			agent := pod.Containers[0]
			may := agent.SecurityContext
			if *may.Privileged || *may.AllowPrivilegeEscalation || !*may.ReadOnlyRootFilesystem {
				t.Errorf("security context %+v", may)
			}
			if !slices.Equal(may.Capabilities.Drop, []core.Capability{"ALL"}) {
				t.Errorf("drops %v", may.Capabilities.Drop)
			}
			if *pod.AutomountServiceAccountToken || *o.account.AutomountServiceAccountToken || pod.ServiceAccountName != o.account.Name {
				t.Error("the pod has a token of the API server")
			}
			for _, m := range agent.VolumeMounts {
				if !m.ReadOnly && m.Name != "state" {
					t.Errorf("%s can be written", m.MountPath)
				}
			}
			if agent.Resources.Limits.Memory().Value() < 128<<20 {
				t.Errorf("memory limit %s", agent.Resources.Limits.Memory())
			}
		})
	}
}

// The capabilities are those of the systemd unit, by Kubernetes' names.
func TestCapabilitiesAreThoseOfTheUnit(t *testing.T) {
	o, err := render(t, "")
	if err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(filepath.Join(root, "deploy/systemd/trapbpf.service"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(unit), "\nCapabilityBoundingSet=")
	line, _, _ := strings.Cut(after, "\n")
	want := strings.Fields(strings.ReplaceAll(line, "CAP_", ""))
	var got []string
	for _, c := range o.daemon.Spec.Template.Spec.Containers[0].SecurityContext.Capabilities.Add {
		got = append(got, string(c))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the chart gives %v, the unit %v", got, want)
	}
}

func TestVolumesSelectorsAndSettingsFit(t *testing.T) {
	o, err := render(t, full)
	if err != nil {
		t.Fatal(err)
	}
	pod := o.daemon.Spec.Template.Spec
	for _, m := range pod.Containers[0].VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v core.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("no volume %s", m.Name)
		}
	}
	for key, value := range o.daemon.Spec.Selector.MatchLabels {
		if o.daemon.Spec.Template.Labels[key] != value {
			t.Errorf("the selector's %s=%s is not among the pod's labels", key, value)
		}
	}
	agent := pod.Containers[0]
	if agent.Image != "registry.example.net/trapbpf:v0.1.0" || agent.EnvFrom[0].SecretRef.Name != "trapbpf-tokens" ||
		pod.PriorityClassName != "system-node-critical" || agent.SecurityContext.SELinuxOptions.Type != "spc_t" {
		t.Errorf("pod %+v", pod)
	}
	if !pod.HostPID || !pod.HostNetwork || pod.DNSPolicy != core.DNSClusterFirstWithHostNet {
		t.Errorf("pod %+v", pod)
	}
}

func TestProbesAskWhereTheAgentAnswers(t *testing.T) {
	for values, want := range map[string]string{"": "127.0.0.1:9847", `config: {metrics: "127.0.0.2:9000"}`: "127.0.0.2:9000", `config: {metrics: ""}`: ""} {
		o, err := render(t, values)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if agent := o.daemon.Spec.Template.Spec.Containers[0]; agent.LivenessProbe != nil && agent.ReadinessProbe != nil {
			got = agent.LivenessProbe.HTTPGet.Host + ":" + agent.LivenessProbe.HTTPGet.Port.String()
		}
		if got != want {
			t.Errorf("%s: asks at %q, want %q", values, got, want)
		}
	}
}

// The agent itself checks what the ConfigMap gives it.
func TestAgentTakesTheConfiguration(t *testing.T) {
	for name, values := range map[string]string{"default": "", "full": full} {
		t.Run(name, func(t *testing.T) {
			o, err := render(t, values)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "trapbpf.yaml")
			if err := os.WriteFile(file, []byte(o.config.Data["trapbpf.yaml"]), 0o600); err != nil {
				t.Fatal(err)
			}
			c := exec.Command("go", "run", "./cmd/trapbpf", "config", "validate", file)
			c.Dir, c.Env = root, append(os.Environ(), "HEC_TOKEN=x")
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, o.config.Data["trapbpf.yaml"])
			}
		})
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for says, values := range map[string]string{
		"additional properties": "imag: {}",
		"pullPolicy":            "image: {repository: x, pullPolicy: Sometimes}",
		"extraCapabilities":     "extraCapabilities: [SYS_MODULE]",
		"stateDirectory":        "stateDirectory: var/lib",
		"config":                "config: text",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), strings.Split(says, " ")[0]) && !strings.Contains(strings.ToLower(err.Error()), says) {
			t.Errorf("%s: %v", values, err)
		}
	}
}
