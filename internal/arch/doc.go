// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

// Package arch holds what ARCHITECTURE.md promises about the tree, as tests: which
// room may import which, that the middle is pure, how large files and functions
// may grow, that every file names its licence, and that the commands in the
// documents exist. It has no code of its own.
package arch
