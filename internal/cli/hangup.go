// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"os"
)

// onHangup calls f for each SIGHUP until ctx ends or stop is called.
func (env Environment) onHangup(ctx context.Context, f func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	if env.Hangup == nil {
		return cancel
	}
	signals := env.Hangup()
	go listen(ctx, signals, f)
	return cancel
}

func listen(ctx context.Context, signals <-chan os.Signal, f func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			f()
		}
	}
}
