// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/config"
)

// statusEvery is how often the service manager is told how things stand.
const statusEvery = 2 * time.Second

// attend hears the clock and requests to reload until ctx ends.
func (s *Service) attend(ctx context.Context) {
	clock := time.NewTicker(min(statusEvery, s.manager.beat()))
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.options.Reload:
			s.reload()
		case <-clock.C:
			s.manager.tick(s.tally.status())
			s.notices.flush(time.Now(), s.fanout.Write)
			s.settled()
		}
	}
}

// reload reads the configuration again. A mistake in it changes nothing.
func (s *Service) reload() {
	s.manager.reloading()
	defer s.manager.ready()
	next, err := s.options.Load()
	if err != nil {
		s.log.Error("configuration not reloaded, the old one stays", zap.Error(err))
		return
	}
	routes, err := s.routes(next)
	if err != nil {
		s.log.Error("configuration not reloaded, the old one stays", zap.Error(err))
		return
	}
	if keys := needRestart(s.config, next); len(keys) > 0 {
		s.log.Warn("these keys change at the next start only", zap.Strings("keys", keys))
	}
	if err := s.setLevel(next.LogLevel); err != nil {
		s.log.Error("log level not changed", zap.Error(err))
	}
	s.fanout.Reopen()
	s.fanout.Replace(routes...)
	s.log.Info("configuration reloaded", zap.Int("sinks", len(next.Sinks)))
}

// needRestart lists the keys that differ and cannot be changed while the agent runs.
func needRestart(old, next config.Config) []string {
	var keys []string
	a, b := reflect.ValueOf(old), reflect.ValueOf(next)
	for i := range a.NumField() {
		key, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("yaml"), ",")
		switch key {
		case "sinks", "min-severity", "log-level", "output", "color":
			continue
		}
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (s *Service) setLevel(word string) error {
	if err := s.options.Level.UnmarshalText([]byte(word)); err != nil {
		return fmt.Errorf("set log level: %w", err)
	}
	return nil
}
