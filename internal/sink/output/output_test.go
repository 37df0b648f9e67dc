// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package output_test

import (
	"strings"
	"testing"

	"github.com/trapbpf/trapbpf/internal/golden/sample"
	"github.com/trapbpf/trapbpf/internal/sink/columns"
	"github.com/trapbpf/trapbpf/internal/sink/output"
)

func TestEveryNameHasAnEncoderOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, name := range output.Names() {
		encoder, err := output.Encoder(name, columns.Options{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := encoder.Append([]byte("kept "), sample.BindPool())
		if err != nil || !strings.HasPrefix(string(text), "kept ") || !strings.HasSuffix(string(text), "\n") {
			t.Errorf("%s: %.60q, %v", name, text, err)
		}
		if twin, twice := seen[string(text)]; twice {
			t.Errorf("%s writes what %s writes", name, twin)
		}
		seen[string(text)] = name
	}
}

func TestUnknownNameIsRefusedWithTheKnownOnes(t *testing.T) {
	_, err := output.Encoder("xml", columns.Options{})
	if err == nil || !strings.Contains(err.Error(), "columns, json, ocsf, cef") {
		t.Errorf("got %v", err)
	}
}

func TestATerminalIsReadByPeople(t *testing.T) {
	if output.Default(true) != output.Columns || output.Default(false) != output.JSON {
		t.Errorf("terminal %s, pipe %s", output.Default(true), output.Default(false))
	}
}
