// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/trapbpf/trapbpf/internal/nearest"
	"github.com/trapbpf/trapbpf/pkg/event"
)

// UnknownError says that a word names no network namespace.
type UnknownError struct {
	// Word is what was asked for, Nearest the existing name most like it, "" where
	// none is alike.
	Word, Nearest string
	// Names are those that exist, at most eight.
	Names []string
}

// Error says what to type instead.
func (e *UnknownError) Error() string {
	message := fmt.Sprintf("no network namespace %q", e.Word)
	switch {
	case e.Nearest != "":
		return message + fmt.Sprintf("; did you mean %q?", e.Nearest)
	case len(e.Names) > 0:
		return message + "; there are " + strings.Join(e.Names, ", ")
	default:
		return message + "; none has a name here: give a path or an inode (lsns -t net shows them)"
	}
}

const namesTold = 8

// Resolve finds the namespace that a user means: by its name under /run/netns,
// by the path of its file, or by its inode, plain or as net:[INODE]. A name that
// looks like a number is a name first. An error is an *UnknownError, or says why
// the path is none.
func (h *Host) Resolve(word string) (Target, error) {
	all := h.Namespaces()
	for _, at := range all {
		if at.Name != "" && at.Name == word {
			return at, nil
		}
	}
	if strings.Contains(word, "/") {
		return h.resolvePath(word)
	}
	digits := strings.TrimSuffix(strings.TrimPrefix(word, "net:["), "]")
	if inode, err := strconv.ParseUint(digits, 10, 32); err == nil {
		for _, at := range all {
			if at.Inode == event.Netns(inode) {
				return at, nil
			}
		}
	}
	return Target{}, unknown(word, all)
}

// resolvePath prefers what a scan found: it may have a name, and a path that the
// agent's own mount namespace will go on having.
func (h *Host) resolvePath(path string) (Target, error) {
	inode, err := h.world.Inode(path)
	if err != nil {
		return Target{}, fmt.Errorf("find network namespace: %w", err)
	}
	if at, ok := h.Locate(inode); ok {
		return at, nil
	}
	return Target{Inode: inode, Path: path}, nil
}

func unknown(word string, all []Target) error {
	var names []string
	for _, at := range all {
		if at.Name != "" {
			names = append(names, at.Name)
		}
	}
	return &UnknownError{Word: word, Nearest: nearest.Of(word, names), Names: names[:min(len(names), namesTold)]}
}
