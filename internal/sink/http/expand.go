// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package http

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
)

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

// expand replaces ${env:NAME} and ${file:PATH}. Files are read each time: a token that
// is renewed needs no restart.
func expand(text string) (string, error) {
	var wrong error
	expanded := reference.ReplaceAllStringFunc(text, func(whole string) string {
		value, err := refer(whole[2 : len(whole)-1])
		if err != nil && wrong == nil {
			wrong = err
		}
		return value
	})
	if wrong == nil && strings.ContainsAny(expanded, "\r\n\x00") {
		wrong = fmt.Errorf("the value holds a line end")
	}
	return expanded, wrong
}

func refer(word string) (string, error) {
	kind, name, _ := strings.Cut(word, ":")
	switch kind {
	case "env":
		value, there := os.LookupEnv(name)
		if !there {
			return "", fmt.Errorf("the environment has no %s", name)
		}
		return value, nil
	case "file":
		return firstLine(name)
	default:
		return "", fmt.Errorf("unknown reference ${%s}: give ${env:NAME} or ${file:PATH}", word)
	}
}

func firstLine(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close() // only read
	lines := bufio.NewScanner(file)
	lines.Scan()
	return strings.TrimSpace(lines.Text()), lines.Err()
}
