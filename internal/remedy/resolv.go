// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/trapbpf/trapbpf/pkg/finding"
	"golang.org/x/sys/unix"
)

type resolv finding.ResolvOp

// maxResolv bounds what is read of a resolv.conf.
const maxResolv = 64 << 10

func (r resolv) apply() error {
	if !finding.ResolvOp(r).Valid() {
		return fmt.Errorf("%q is no option of a resolv.conf", r.Option)
	}
	// Neither made nor followed: a link is the file of a program that writes it anew.
	file, err := os.OpenFile(r.Path, os.O_WRONLY|os.O_APPEND|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ELOOP) {
		return fmt.Errorf("%s is a symbolic link: another program writes that file", r.Path)
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(finding.ResolvOp(r).Line())
	return errors.Join(err, file.Close())
}

// restore gives the option's value as it is in force now. Only options with a known
// default can be brought back by saying them.
func (r resolv) restore() (finding.Op, error) {
	key, _, _ := strings.Cut(r.Option, ":")
	value, known := map[string]string{"ndots": "1", "timeout": "5", "attempts": "2"}[key]
	if !known {
		return nil, fmt.Errorf("%w: the option %s cannot be taken back by another", ErrInexpressible, key)
	}
	content, err := os.ReadFile(r.Path)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(content[:min(len(content), maxResolv)])) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] != "options" {
			continue
		}
		for _, word := range words[1:] {
			if said, ok := strings.CutPrefix(word, key+":"); ok {
				value = said
			}
		}
	}
	return finding.ResolvOp{Path: r.Path, Option: key + ":" + value}, nil
}
