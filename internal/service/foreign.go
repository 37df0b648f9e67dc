// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"os"

	"golang.org/x/sys/unix"
)

// foreign tells whether the service may have to write to another user's file: a file sink
// holds whatever log rotation makes anew, and the state directory may be given away.
func (s *Service) foreign() bool {
	for _, of := range s.config.Sinks {
		if of.File != nil {
			return true
		}
	}
	var stat unix.Stat_t
	return unix.Stat(s.config.StateDirectory, &stat) == nil && int(stat.Uid) != os.Geteuid()
}
