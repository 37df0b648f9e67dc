// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// ending is what became of a probe.
type ending int

// The endings.
const (
	silent  ending = iota // no answer, as yet
	arrived               // the peer answered
	tooBig                // somebody could not pass it on
	expired               // a router told that its hops were used up
	refused               // somebody told that it may not, or cannot, pass
)

func (e ending) String() string {
	return [...]string{"no answer", "arrived", "too big", "hop", "refused"}[e]
}

// outcome is a probe's ending and who told it.
type outcome struct {
	what ending
	by   netip.Addr
	mtu  int // that was told, for tooBig
}

// codec is one method: it builds probes and knows their answers. Both speak of bytes
// from the transport header on. A number names a probe.
type codec interface {
	method() Method
	protocol(six bool) int
	// build gives a probe of so many bytes.
	build(number, length int) []byte
	// reply tells which probe a packet from the peer answers, 0 for none.
	reply(packet []byte) int
	// quote tells which probe an ICMP error quotes, 0 for none; at least eight bytes
	// are quoted.
	quote(quoted []byte) int
	// arrival tells whether an ICMP error of the peer itself says that a probe arrived.
	arrival(six bool, kind, code uint8) bool
	close()
}

// shot is one probe that was sent.
type shot struct {
	outcome
	size int
	ttl  int
	sent time.Time
}

// line sends probes by one method and listens for their answers. Not safe for
// concurrent use.
type line struct {
	codec
	fd       int
	six      bool
	peer     netip.Addr
	ctx      context.Context // the measurement's own
	budget   *budget
	progress func(Step)

	shots []shot // by number, from 1
	best  int    // largest size that arrived
	rtt   time.Duration
	heard time.Time // the newest answer
}

// How long an answer is waited for: at first, and by the round trips seen since.
const (
	firstPatience = time.Second
	leastPatience = 100 * time.Millisecond
	mostPatience  = 800 * time.Millisecond
	slack         = 60 * time.Millisecond
)

func (l *line) patience() time.Duration {
	if l.rtt == 0 {
		return firstPatience
	}
	return min(max(3*l.rtt+slack, leastPatience), mostPatience)
}

// aim is a probe to send.
type aim struct{ size, ttl int }

// try sends a probe of each size all the way, and waits until each has an answer, or
// there should be one.
func (l *line) try(sizes ...int) ([]outcome, error) {
	aims := make([]aim, len(sizes))
	for i, size := range sizes {
		aims[i] = aim{size: size}
	}
	return l.fire(aims...)
}

// fire is try for probes that need not go all the way.
func (l *line) fire(aims ...aim) ([]outcome, error) {
	if err := l.budget.spend(len(aims)); err != nil {
		return nil, err
	}
	first := len(l.shots)
	for _, a := range aims {
		if err := l.send(a); err != nil {
			return nil, err
		}
	}
	err := l.listen(time.Now().Add(l.patience()), func() bool { return answered(l.shots[first:]) })
	ends := make([]outcome, len(aims))
	for i := range aims {
		ends[i] = l.shots[first+i].outcome
		l.report(&l.shots[first+i])
	}
	return ends, err
}

func answered(shots []shot) bool {
	for i := range shots {
		if shots[i].what == silent {
			return false
		}
	}
	return true
}

func (l *line) report(s *shot) {
	if l.progress != nil {
		l.progress(Step{Method: l.method(), Size: s.size, TTL: s.ttl, Outcome: s.what.String(), Packets: l.budget.sent})
	}
}

// Where nothing is answered, one answer a second is what Linux gives a peer whose six
// are used up (icmp_ratelimit), counted from the last.
const (
	restAfter = 1050 * time.Millisecond
	restLeast = 200 * time.Millisecond
)

// rest lets time pass until there may be answers again, and takes late ones meanwhile.
func (l *line) rest() error {
	until := l.heard.Add(restAfter)
	if least := time.Now().Add(restLeast); until.Before(least) {
		until = least
	}
	return l.listen(until, func() bool { return false })
}

// pollEvery bounds how long a line does not look at its context.
const pollEvery = 50 * time.Millisecond

// listen takes answers until a moment, or until done gives true.
func (l *line) listen(until time.Time, done func() bool) error {
	for !done() {
		if errors.Is(l.ctx.Err(), context.DeadlineExceeded) {
			return errSpent
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		left := time.Until(until)
		if left <= 0 {
			return nil
		}
		fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}}
		left = min(left, pollEvery) + time.Millisecond // poll counts whole ones
		if _, err := unix.Poll(fds, int(left/time.Millisecond)); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		l.drain()
	}
	return nil
}

// settle notes a probe's ending. The first one counts; a late one still tells what
// gets through, and how long it takes.
func (l *line) settle(number int, o outcome) {
	if number < 1 || number > len(l.shots) {
		return
	}
	s := &l.shots[number-1]
	if s.what != silent {
		return
	}
	s.outcome = o
	l.heard = time.Now()
	l.rtt = max(l.rtt, l.heard.Sub(s.sent))
	if o.what == arrived && s.ttl == 0 {
		l.best = max(l.best, s.size)
	}
}

// headers is the size of the IP header.
func (l *line) headers() int {
	if l.six {
		return 40
	}
	return 20
}
