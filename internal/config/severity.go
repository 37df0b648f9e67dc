// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/trapbpf/trapbpf/internal/nearest"
	"github.com/trapbpf/trapbpf/pkg/finding"
)

// severities are the words for the contract's numbers.
func severities() map[string]finding.Severity {
	return map[string]finding.Severity{
		"low": finding.Low, "medium": finding.Medium, "high": finding.High, "critical": finding.Critical,
	}
}

// ParseSeverity takes a word or one of the contract's numbers.
func ParseSeverity(word string) (finding.Severity, error) {
	for name, number := range severities() {
		if word == name || word == strconv.Itoa(int(number)) {
			return number, nil
		}
	}
	known := []string{"low", "medium", "high", "critical"}
	return 0, fmt.Errorf("unknown severity %q%s", word, meant(word, known, "give low, medium, high or critical"))
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *Severity) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return errors.New("expected one severity")
	}
	parsed, err := ParseSeverity(node.Value)
	if err != nil {
		return &Error{Line: node.Line, Text: err.Error()}
	}
	*s = Severity(parsed)
	return nil
}

// meant ends an error about a word: with the one meant, else with what to do.
func meant(word string, known []string, otherwise string) string {
	if near := nearest.Of(word, known); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ": " + otherwise
}
