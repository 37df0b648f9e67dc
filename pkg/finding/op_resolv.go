// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package finding

import "strings"

// ResolvOp appends an option to a resolv.conf(5): of several the last one counts, so
// that it is undone by appending what was. It works on the file itself, which may be
// mounted into a container and can then not be replaced.
type ResolvOp struct {
	// Path is the file as the agent reaches it: /etc/resolv.conf, or the one of another
	// mount namespace by way of /proc/PID/root.
	Path string
	// Option is "ndots:2" and the like: lower-case letters, digits, "-" and one ":".
	Option string
}

func (ResolvOp) sealedOp() {}

const (
	resolvBefore = `\noptions ` // a file may lack the end of its last line
	resolvAfter  = `\n`
)

// Shell implements Op.
func (r ResolvOp) Shell() string {
	return "printf " + quote(resolvBefore+r.Option+resolvAfter) + " >> " + quote(r.Path)
}

// Line is what is appended.
func (r ResolvOp) Line() string { return "\noptions " + r.Option + "\n" }

// Valid tells whether path and option are what they should be, so that nothing else
// can be written, or written to.
func (r ResolvOp) Valid() bool {
	option := strings.Trim(r.Option, "abcdefghijklmnopqrstuvwxyz0123456789-:") == ""
	return option && r.Option != "" && strings.HasPrefix(r.Path, "/") && strings.HasSuffix(r.Path, "/resolv.conf") &&
		!strings.Contains(r.Path, "/../") && !strings.ContainsRune(r.Path, 0)
}

// parseResolv reads what ResolvOp renders. Redirections are no plain words, so it is
// the line that is looked at.
func parseResolv(line string, words []word) (Op, bool) {
	if len(words) != 2 || words[0].text != "printf" {
		return nil, false
	}
	option, before := strings.CutPrefix(words[1].text, resolvBefore)
	option, after := strings.CutSuffix(option, resolvAfter)
	path, to := strings.CutPrefix(line[words[1].end:], " >> ")
	paths, whole, err := lex(path)
	if !before || !after || !to || !whole || err != nil || len(paths) != 1 {
		return nil, false
	}
	op := ResolvOp{Path: paths[0].text, Option: option}
	return op, op.Valid()
}
