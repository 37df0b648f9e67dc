// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/host"
	"github.com/trapbpf/trapbpf/internal/kernel"
)

// Exit codes of the contract.
const (
	exitOK = iota
	exitError
	exitUsage
	exitFindings
	exitPrivilege
	exitKernel
)

// usageError is an error of the command line or the configuration.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }

func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errFindings ends a command whose exit code says that there are findings. It is
// not printed: the findings were.
var errFindings = errors.New("findings present")

// codeOf gives the exit code of a command's error.
func codeOf(err error) int {
	var usage usageError
	var unknown *host.UnknownError
	var mistake *config.Error
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFindings):
		return exitFindings
	case errors.As(err, &usage), errors.As(err, &unknown), errors.As(err, &mistake):
		return exitUsage
	case errors.Is(err, kernel.ErrPrivilege), errors.Is(err, host.ErrForbidden):
		return exitPrivilege
	case errors.Is(err, kernel.ErrUnsupported):
		return exitKernel
	default:
		return exitError
	}
}
