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

// Severities are the words for the contract's numbers, from the lowest on.
func Severities() []string { return []string{"low", "medium", "high", "critical"} }

// ParseSeverity takes a word or one of the contract's numbers.
func ParseSeverity(word string) (finding.Severity, error) {
	numbers := []finding.Severity{finding.Low, finding.Medium, finding.High, finding.Critical}
	for i, name := range Severities() {
		if word == name || word == strconv.Itoa(int(numbers[i])) {
			return numbers[i], nil
		}
	}
	return 0, fmt.Errorf("unknown severity %q%s", word, nearest.Hint(word, Severities(), "give low, medium, high or critical"))
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
