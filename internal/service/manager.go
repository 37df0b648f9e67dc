// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"fmt"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// lastWord is how long the end may take to be told.
const lastWord = 500 * time.Millisecond

// manager speaks to the service manager by sd_notify(3). Where there is none, it says
// nothing.
type manager struct {
	log *zap.Logger
	// watchdog is how often the manager wants a sign of life, 0 for never.
	watchdog time.Duration
	// pulse is the reader's of events, beats where it stood at the last sign of life: a
	// reader that hangs is a service that hangs.
	pulse  *pulse
	beats  uint64
	status string
	// words wait to be said: a manager that does not listen must not hold up anything.
	words chan string
	said  chan struct{} // all that waited has been said
}

func newManager(p *pulse, log *zap.Logger) *manager {
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not served", zap.Error(err))
	}
	m := &manager{log: log, pulse: p, watchdog: watchdog, words: make(chan string, 16), said: make(chan struct{})}
	go m.speak()
	return m
}

// speak says what waits, until stopping.
func (m *manager) speak() {
	defer close(m.said)
	for words := range m.words {
		if _, err := daemon.SdNotify(false, words); err != nil {
			m.log.Debug("service manager not told", zap.Error(err))
		}
	}
}

// beat is how often tick is to be called: twice in the watchdog's time.
func (m *manager) beat() time.Duration {
	if m.watchdog == 0 {
		return statusEvery
	}
	return m.watchdog / 2
}

func (m *manager) ready() { m.say(daemon.SdNotifyReady + "\nSTATUS=watching") }

// reloading tells the moment, too, as Type=notify-reload asks.
func (m *manager) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		m.log.Warn("monotonic clock not read", zap.Error(err))
	}
	m.say(daemon.SdNotifyReloading + "\nMONOTONIC_USEC=" + strconv.FormatInt(now.Nano()/1000, 10))
}

// stopping says the last word. Nothing else may be called afterwards.
func (m *manager) stopping() {
	m.say(daemon.SdNotifyStopping)
	close(m.words)
	select {
	case <-m.said:
	case <-time.After(lastWord):
	}
}

// tick gives the sign of life, if there was one, and what is new of the status.
func (m *manager) tick(status string) {
	if beats := m.pulse.beats.Load(); m.watchdog > 0 && beats != m.beats {
		m.beats = beats
		m.say(daemon.SdNotifyWatchdog)
	}
	if status != m.status {
		m.status = status
		m.say(fmt.Sprintf("STATUS=%s", status))
	}
}

func (m *manager) say(words string) {
	select {
	case m.words <- words:
	default:
		m.log.Debug("service manager not told: it does not listen")
	}
}
