// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

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

// Shell gives the step as one line to paste, namespace prefix included.
func (s Step) Shell() string { return s.Enter.prefix() + s.Op.Shell() }

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
