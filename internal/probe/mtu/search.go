// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import "errors"

// Losses that make a size lost: those of one flight, while a smaller one in it arrives,
// and those where such loss was seen to be random. On a path that loses 10% at random, 4
// in a row, the first included, are wrong once in 10,000.
const (
	lostVotes  = 3
	lossyVotes = 6
)

// firstGuess is tried after the largest size: below it hardly any path goes, since IPv6
// needs it (RFC 8200, section 5).
const firstGuess = 1280

// search looks for the border between sizes that arrive and sizes that do not.
type search struct {
	// try sends one probe of each size and gives their ends, in the same order.
	try func(sizes ...int) ([]outcome, error)
	// rest lets as much time pass as it takes until something may be answered again.
	rest func() error
	// best is the largest size that ever arrived, late answers included.
	best func() int

	low   int // arrived
	limit int // the largest to try
	// losses are the sizes above low that did not arrive.
	losses map[int]loss
	told   outcome // the newest that named an MTU
	hint   int     // what it named, until tried
	// doubts are the sizes that were lost since anything was answered.
	doubts []int
	// limited tells that there was a time in which nothing was answered: each flight
	// then has all that makes a verdict with a single answer.
	limited bool
	// lossy tells that a size was lost once and arrived another time.
	lossy bool
}

// loss is what is known of a size that did not arrive.
type loss struct {
	votes  int
	answer bool // somebody said so
}

// newSearch begins above a size that arrived.
func newSearch(low, limit int) *search {
	return &search{low: low, limit: limit, losses: map[int]loss{}}
}

// run searches until the border is verified; false where packets or time ended first.
func (s *search) run() (exact bool, err error) {
	for {
		s.low = max(s.low, s.best())
		high, known := s.high()
		switch {
		case s.low >= s.limit:
			return true, nil
		case known && high == s.low+1 && s.sure(high):
			return true, nil
		case known && high == s.low+1:
			err = s.flight(high)
		default:
			err = s.step(s.next(high, known))
		}
		if errors.Is(err, errSpent) {
			s.low = max(s.low, s.best())
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// high is the smallest size above low that is held to be lost.
func (s *search) high() (int, bool) {
	least, known := s.limit+1, false
	for size := range s.losses {
		if size > s.low && size < least {
			least, known = size, true
		}
	}
	return least, known
}

func (s *search) sure(size int) bool {
	l := s.losses[size]
	if s.lossy {
		return l.answer || l.votes >= lossyVotes
	}
	return l.answer || l.votes >= lostVotes
}

// next picks the size to try: the limit, what a router named and one more, the guess,
// else the middle.
func (s *search) next(high int, known bool) int {
	hint := s.hint
	switch {
	case !known:
		return s.limit
	case hint > s.low && hint < high:
		return hint
	case hint == s.low:
		s.hint = 0
		return s.low + 1
	case s.low < firstGuess && firstGuess < high:
		return firstGuess
	default:
		return s.low + (high-s.low)/2
	}
}

// mostDoubts are the sizes in a row that may go without an answer before one that is
// known to arrive is sent again: answers may be scarce.
const mostDoubts = 2

// step tries one size. Where those before had no answer either, it makes sure that
// anything has.
func (s *search) step(size int) error {
	if s.limited {
		return s.flight(size)
	}
	ends, err := s.try(size)
	if err != nil || s.take(size, ends[0]) {
		return err
	}
	if len(s.doubts) < mostDoubts {
		s.doubts = append(s.doubts, size)
		s.vote(size, 1)
		return nil
	}
	control, err := s.try(s.low)
	if err != nil {
		return err
	}
	if control[0].what != arrived {
		return s.hold()
	}
	s.doubts = nil
	s.vote(size, 1)
	return nil
}

// flight sends probes of a size, and one that is known to arrive among them: without
// its answer their losses do not count.
func (s *search) flight(size int) error {
	sizes := []int{size, s.low}
	for range lostVotes - 1 {
		sizes = append(sizes, size)
	}
	ends, err := s.try(sizes...)
	if err != nil {
		return err
	}
	for i, end := range ends {
		if i != 1 && s.take(size, end) {
			return nil
		}
	}
	if ends[1].what != arrived {
		return s.hold()
	}
	s.doubts = nil
	s.vote(size, lostVotes)
	return nil
}

// take keeps what an answer tells; false where there is none.
func (s *search) take(size int, o outcome) bool {
	switch o.what {
	case arrived:
		s.low = max(s.low, size)
		s.lossy = s.lossy || s.losses[size].votes > 0
	case tooBig:
		s.losses[size] = loss{answer: true}
		s.told, s.hint = o, o.mtu
	default:
		return false
	}
	s.doubts = nil
	return true
}

func (s *search) vote(size, votes int) {
	l := s.losses[size]
	l.votes += votes
	s.losses[size] = l
}

// hold waits: nothing is answered at the moment, so what was lost of late tells nothing.
func (s *search) hold() error {
	for _, size := range s.doubts {
		if !s.losses[size].answer {
			delete(s.losses, size)
		}
	}
	s.doubts, s.limited = nil, true
	return s.rest()
}
