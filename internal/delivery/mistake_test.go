// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"bytes"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the service cannot have ends it before it watches: with one line that says what to
// do, and 2 where the configuration is wrong, 1 where the host is.
func TestMistakesEndTheServiceWithOneLine(t *testing.T) {
	binary, dir := program(t), t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	certificates(t, dir)
	put(t, filepath.Join(dir, "file"), []byte("no folder"))
	const toTLS = "sinks: {siem: {syslog: {address: \"tls://127.0.0.1:1\", tls: {%s}}}}\n"
	tls := func(options string) string { return strings.Replace(toTLS, "%s", options, 1) }
	for name, test := range map[string]struct {
		config string // "": the configuration is a folder
		code   int
		says   string
	}{
		"an unknown key":             {"sinks:\n  siem:\n    htp: {}\n", 2, "trapbpf.yaml:3: "},
		"a key of another":           {tls("certificate: DIR/server.pem, key: DIR/client.key"), 2, "trapbpf.yaml:1: "},
		"a certificate that is none": {tls("ca: DIR/file"), 2, "trapbpf.yaml:1: "},
		"no such certificate":        {tls("ca: DIR/none.pem"), 2, "none.pem: no such file"},
		"a folder for a file":        {"", 2, "is a directory"},
		"a port in use":              {"metrics: " + taken.Addr().String() + "\n", 1, "address already in use: choose another address"},
		"a spool that cannot be":     {"state-directory: DIR/file\nsinks: {siem: {http: {url: \"http://127.0.0.1:1\"}}}\n", 1, "not a directory"},
		"a state that cannot be":     {"state-directory: DIR/file\n", 1, "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			config := filepath.Join(t.TempDir(), "trapbpf.yaml")
			text := test.config
			if !strings.Contains(text, "metrics:") {
				text += "metrics: \"\"\n"
			}
			if test.config == "" {
				config = t.TempDir()
			} else {
				put(t, config, []byte(strings.ReplaceAll(text, "DIR", dir)))
			}
			c := exec.Command(binary, "run", "--config", config, "--for", "1ms")
			var said bytes.Buffer
			c.Stderr = &said
			_ = c.Run() // its state tells
			lines := strings.Split(strings.TrimSuffix(said.String(), "\n"), "\n")
			if code := c.ProcessState.ExitCode(); code != test.code || len(lines) != 1 || !strings.Contains(lines[0], test.says) {
				t.Errorf("code %d, want %d with %q:\n%s", code, test.code, test.says, said.String())
			}
		})
	}
}
