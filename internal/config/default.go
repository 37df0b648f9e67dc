// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	_ "embed" // the text below
)

//go:embed default.yaml
var text []byte

// Text gives a configuration file with every key, its default and what it means. It is
// the caller's. The lines about the file's own licence are left out.
func Text() []byte {
	_, keys, _ := bytes.Cut(text, []byte("\n\n"))
	return bytes.Clone(keys)
}
