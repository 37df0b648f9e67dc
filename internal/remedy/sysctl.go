// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/finding"
)

type sysctl finding.Sysctl

// netRoot holds the only sysctls that a network namespace has of its own. What lies
// elsewhere is the whole host's, and no step of a finding touches it.
const netRoot = "/proc/sys/net/"

func (s sysctl) apply() error {
	path, err := sysctlPath(s.Key)
	if err != nil {
		return err
	}
	// Neither created nor cut to length: it is no real file.
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return unknownKey(s.Key, err)
	}
	_, err = file.WriteString(s.Value + "\n") // one write: the kernel parses each by itself
	return errors.Join(err, file.Close())
}

func (s sysctl) restore() (finding.Op, error) {
	path, err := sysctlPath(s.Key)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, unknownKey(s.Key, err)
	}
	value := strings.Join(strings.Fields(string(content)), " ")
	return finding.Sysctl{Key: s.Key, Value: value}, nil
}

func unknownKey(key string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("this namespace has no kernel parameter %s", key)
	}
	return err
}

// sysctlPath turns a key into a path as sysctl(8) does: where the first separator is
// a dot, dots and slashes change places.
func sysctlPath(key string) (string, error) {
	path := key
	if at := strings.IndexAny(key, "./"); at >= 0 && key[at] == '.' {
		path = strings.Map(swapSeparators, key)
	}
	inside, ok := strings.CutPrefix(path, "net/")
	if !ok || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("%s is no kernel parameter of a network namespace", key)
	}
	for part := range strings.SplitSeq(inside, "/") {
		if part == "" || part == "." || part == ".." {
			return "", fmt.Errorf("%s is no kernel parameter", key)
		}
	}
	return netRoot + inside, nil
}

func swapSeparators(r rune) rune {
	switch r {
	case '.':
		return '/'
	case '/':
		return '.'
	default:
		return r
	}
}
