// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/cef"
	"github.com/trapbpf/trapbpf/internal/sink/ecs"
	"github.com/trapbpf/trapbpf/internal/sink/ocsf"
)

var (
	snippet  = regexp.MustCompile("(?s)```yaml\n(.*?)```")
	variable = regexp.MustCompile(`\$\{env:(\w+)\}`)
	inCode   = regexp.MustCompile("`([^`]+)`")
)

// identity writes a certificate that signs itself, and its key, where the snippets have
// them.
func identity(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, filepath.Join(dir, "ca.pem"), certificate)
	write(t, filepath.Join(dir, "host.pem"), certificate)
	write(t, filepath.Join(dir, "host.key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

// Every snippet is a configuration that the agent takes, with the files and variables
// that it names.
func TestSnippetsForSIEMsAreGoodConfigurations(t *testing.T) {
	dir := t.TempDir()
	identity(t, dir)
	found := snippet.FindAllStringSubmatch(read(t, "docs/siem.md"), -1)
	if len(found) < 8 {
		t.Fatalf("%d snippets", len(found))
	}
	for _, m := range found {
		for _, name := range variable.FindAllStringSubmatch(m[1], -1) {
			t.Setenv(name[1], "secret")
		}
		file := filepath.Join(dir, "trapbpf.yaml")
		write(t, file, strings.ReplaceAll(m[1], "/etc/trapbpf/tls", dir))
		c, err := config.Load(config.Source{Path: file})
		if err != nil || len(c.Sinks) == 0 {
			t.Errorf("%v\n%s", err, m[1])
		}
	}
}

// encoded gives all samples by an encoder.
func encoded(t *testing.T, by sink.Encoder) []string {
	t.Helper()
	var lines []string
	for _, s := range sample.All() {
		line, err := by.Append(nil, s.Record)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	return lines
}

// has tells whether a document has a field by its dotted name; of a list, in any item.
func has(doc any, path []string) bool {
	if items, ok := doc.([]any); ok && len(path) > 0 {
		for _, item := range items {
			if has(item, path) {
				return true
			}
		}
		return false
	}
	if len(path) == 0 {
		return true
	}
	fields, _ := doc.(map[string]any)
	inner, ok := fields[path[0]]
	return ok && has(inner, path[1:])
}

// Every field that the table names is one that the encoder gives some sample.
func TestTableNamesFieldsThatThereAre(t *testing.T) {
	lines := [][]string{encoded(t, ecs.Encoder{}), encoded(t, ocsf.Encoder{}), encoded(t, cef.Encoder{})}
	rows := 0
	for line := range strings.Lines(read(t, "docs/siem.md")) {
		cells := strings.Split(line, " | ")
		if len(cells) != 4 || !strings.HasPrefix(line, "| ") || strings.Contains(line, "| meaning") {
			continue
		}
		rows++
		for column, cell := range cells[1:] {
			for _, name := range inCode.FindAllStringSubmatch(cell, -1) {
				if !given(t, lines[column], name[1], column == 2) {
					t.Errorf("no sample has %s", name[1])
				}
			}
		}
	}
	if rows < 12 {
		t.Errorf("%d rows", rows)
	}
}

func given(t *testing.T, lines []string, name string, isCEF bool) bool {
	t.Helper()
	for _, line := range lines {
		var doc any
		if isCEF {
			if strings.Contains(line, " "+name+"=") || strings.Contains(line, "|"+name+"=") {
				return true
			}
			continue
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		if has(doc, strings.Split(name, ".")) {
			return true
		}
	}
	return false
}
