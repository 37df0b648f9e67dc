// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package mtu

import (
	"errors"
	"fmt"
)

// search finds the border by a line that answers small packets, and what lies behind it.
func (m *measurement) search(l *line) (*Result, error) {
	limit, local, err := m.limit(l)
	if err != nil {
		return nil, err
	}
	s := m.searcher(l, MinSize, limit)
	exact, err := s.run()
	if err != nil {
		return nil, err
	}
	r := &Result{Method: l.method(), Local: local, Exact: exact}
	s.into(r)
	if r.Verdict == Silent && exact {
		if err := m.lookBehind(l, s, r); err != nil {
			return nil, err
		}
	}
	r.Notes = append(r.Notes, m.notes...)
	return r, nil
}

func (m *measurement) searcher(l *line, low, limit int) *search {
	s := newSearch(low, limit)
	s.try, s.rest, s.best = l.try, l.rest, func() int { return l.best }
	return s
}

// limit gives the largest size to try, and what the interface takes where that is
// known then: the kernel refuses a larger packet and says so.
func (m *measurement) limit(l *line) (limit, local int, err error) {
	most := MaxSize
	if m.options.Max > 0 {
		most = min(most, m.options.Max)
	}
	ends, err := l.try(most)
	if errors.Is(err, errSpent) {
		return most, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	if end := ends[0]; end.what == tooBig && !end.by.IsValid() && end.mtu >= MinSize {
		return min(most, end.mtu), end.mtu, nil
	}
	return most, 0, nil
}

// into writes what the search came to.
func (s *search) into(r *Result) {
	r.Passed = s.low
	r.Told, r.ToldBy = s.told.mtu, s.told.by
	high, known := s.high()
	switch {
	case s.low >= s.limit:
		r.Verdict = Clear
		return
	case known && s.losses[high].answer:
		r.Verdict = Answered
	default:
		r.Verdict = Silent
	}
	if known {
		r.Lost = high
	}
}

// lookBehind tells where large packets get lost: on the way there or back, and after
// which router.
func (m *measurement) lookBehind(l *line, s *search, r *Result) error {
	if l.method() == Echo {
		for _, method := range []Method{UDP, TCP} {
			asked, err := m.oneWay(method, s, r)
			if err != nil || r.Method == method {
				return err
			}
			if asked {
				break
			}
		}
	}
	var err error
	r.LastHop, r.NextHop, err = walk(l, MinSize, r.Lost)
	return err
}

// oneWay asks again by a method whose answers are small: what an echo loses may have
// arrived, and its answer, as large, got lost; or somebody drops large echoes only. Where
// that is so the result becomes that of this method. False where it has no answers.
func (m *measurement) oneWay(method Method, echoed *search, r *Result) (bool, error) {
	if method == TCP && m.options.Port == 0 {
		return false, nil
	}
	l, err := m.begin(method)
	if errors.Is(err, ErrUnreachable) || errors.Is(err, errClosed) || errors.Is(err, errSpent) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer l.shut()
	ends, err := l.try(r.Lost, r.Lost)
	if errors.Is(err, errSpent) || err == nil && ends[0].what != arrived && ends[1].what != arrived {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	s := m.searcher(l, r.Lost, echoed.limit)
	exact, err := s.run()
	if err != nil {
		return false, err
	}
	r.Method, r.Exact, r.Lost, r.Returned = method, exact, 0, echoed.low
	s.into(r)
	r.Notes = append(r.Notes, fmt.Sprintf("larger packets arrive by %s, but echoes of more than %d bytes are not answered: they are filtered, or lost on the way back", method, r.Returned))
	if r.Verdict == Silent && exact {
		r.LastHop, r.NextHop, err = walk(l, MinSize, r.Lost)
	}
	return true, err
}
