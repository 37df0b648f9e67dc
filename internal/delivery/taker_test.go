// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// taker is an endpoint that takes lines, unless it is away.
type taker struct {
	mu    sync.Mutex
	away  bool
	lines []string
}

// ServeHTTP implements http.Handler.
func (k *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil || k.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	k.lines = append(k.lines, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
}

// be makes it go away, or come back.
func (k *taker) be(away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
}

// taken gives the lines that it took.
func (k *taker) taken() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.lines)
}
