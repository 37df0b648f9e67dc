// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "strings"

// Step is one thing to do: a typed operation, that renders as the shell command
// a person would paste and that can be executed natively.
type Step struct {
	Op Op
	// Enter says in which namespace it works.
	Enter Enter
	// Does says in a phrase what it does, Risk what it may cost; "" where nothing.
	Does, Risk string
}

// Enter says how a shell gets into a step's namespace. The zero value is the
// namespace that the agent runs in: no prefix.
type Enter struct {
	// Name is under /run/netns; Path is used where there is no name.
	Name, Path string
}

// Op is a typed operation. Shell gives it as one line of POSIX shell, every
// argument quoted where it must be, without the namespace prefix.
type Op interface {
	Shell() string
	sealedOp()
}

// Shell gives the step as one line to paste, namespace prefix included. A file is
// the host's whatever the namespace, and a remark needs none.
func (s Step) Shell() string {
	switch op := s.Op.(type) {
	case FileOp, ResolvOp:
		return op.Shell()
	case Command:
		return op.within(s.Enter.prefix())
	default:
		return s.Enter.prefix() + op.Shell()
	}
}

// within puts the prefix before the whole line: where the line is more than one
// command, or opens files, a shell of its own must do that inside. A filter behind a
// pipe may as well run outside, and reads better so.
func (c Command) within(prefix string) string {
	switch {
	case prefix == "" || strings.HasPrefix(c.Line, "#"):
		return c.Line
	case strings.ContainsAny(c.Line, "&;<>(\n") || strings.HasPrefix(c.Line, "sh "):
		return prefix + "sh -c " + quote(c.Line)
	default:
		return prefix + c.Line
	}
}

func (e Enter) prefix() string {
	switch {
	case e.Name != "":
		return "ip netns exec " + quote(e.Name) + " "
	case e.Path != "":
		return "nsenter --net=" + quote(e.Path) + " "
	default:
		return ""
	}
}
