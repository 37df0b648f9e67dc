// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/trapbpf/trapbpf/internal/nearest"
)

// layer is one document that says something of the configuration.
type layer struct {
	// name is the file, variable or "command line" that errors name.
	name string
	text []byte
	// lines tells whether a line number means something to the reader.
	lines bool
}

// apply lets the layer override what it names.
func (l layer) apply(c *Config) error {
	decoder := yaml.NewDecoder(bytes.NewReader(l.text))
	decoder.KnownFields(true)
	err := decoder.Decode(c)
	if errors.Is(err, io.EOF) {
		return nil // an empty file says nothing
	}
	if err != nil {
		return l.explain(err)
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return &Error{File: l.name, Text: "holds more than one document: remove the `---` between them"}
	}
	return nil
}

// The texts of the YAML library that a reader would not understand.
var (
	atLine    = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	notFound  = regexp.MustCompile(`^field (\S+) not found in type (\S+)$`)
	wrongType = regexp.MustCompile("^cannot unmarshal !!(\\S+)(?: `(.*)`)? into (\\S+)$")
)

// explain says in the reader's words what the YAML library complains of. Only the
// first mistake is told: an error is one line.
func (l layer) explain(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return l.place(own.Line, own.Text)
	}
	text := err.Error()
	var several *yaml.TypeError
	if errors.As(err, &several) && len(several.Errors) > 0 {
		text = several.Errors[0]
	}
	line := 0
	if m := atLine.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1]) // digits only
		text = m[2]
	}
	return l.place(line, reword(strings.TrimPrefix(text, "yaml: ")))
}

func (l layer) place(line int, text string) *Error {
	if !l.lines {
		line = 0
	}
	return &Error{File: l.name, Line: line, Text: text}
}

func reword(text string) string {
	if m := notFound.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("unknown key %q%s", m[1], nearest.Hint(m[1], keysOf(m[2]), "`trapbpf config default` lists the keys"))
	}
	if m := wrongType.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("expected %s, found %s", typeWord(m[3]), foundWord(m[1], m[2]))
	}
	return text
}

// typeWord says what a Go type is to a reader.
func typeWord(name string) string {
	switch {
	case name == "time.Duration":
		return "a duration such as 30s"
	case name == "int" || strings.HasPrefix(name, "uint"):
		return "a whole number"
	case name == "bool":
		return "true or false"
	case name == "string":
		return "a word"
	case strings.HasPrefix(name, "[]"):
		return "a list"
	default:
		return "`key: value` lines"
	}
}

func foundWord(tag, value string) string {
	switch {
	case value != "":
		return strconv.Quote(value)
	case tag == "seq":
		return "a list"
	case tag == "map":
		return "`key: value` lines"
	default:
		return "nothing"
	}
}
