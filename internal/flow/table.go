// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import "container/list"

// Table is a map of bounded size that forgets the entry least lately put. It keeps
// the order of the puts, so that walking it is deterministic.
type Table[K comparable, V any] struct {
	limit   int
	entries map[K]*list.Element
	order   *list.List // front is newest
	evicted uint64
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// NewTable gives an empty table for at most limit entries.
func NewTable[K comparable, V any](limit int) *Table[K, V] {
	return &Table[K, V]{limit: limit, entries: map[K]*list.Element{}, order: list.New()}
}

// Get gives the entry of a key, without making it newer.
func (t *Table[K, V]) Get(key K) (V, bool) {
	at, ok := t.entries[key]
	if !ok {
		var none V
		return none, false
	}
	return at.Value.(*entry[K, V]).value, true
}

// Put sets the entry of a key and makes it the newest.
func (t *Table[K, V]) Put(key K, value V) {
	if at, ok := t.entries[key]; ok {
		at.Value.(*entry[K, V]).value = value
		t.order.MoveToFront(at)
		return
	}
	if len(t.entries) >= t.limit {
		t.forgetOldest()
	}
	t.entries[key] = t.order.PushFront(&entry[K, V]{key, value})
}

func (t *Table[K, V]) forgetOldest() {
	oldest := t.order.Back()
	t.Drop(oldest.Value.(*entry[K, V]).key)
	t.evicted++
}

// Drop removes the entry of a key, where there is one.
func (t *Table[K, V]) Drop(key K) {
	if at, ok := t.entries[key]; ok {
		t.order.Remove(at)
		delete(t.entries, key)
	}
}

// All walks the values, least lately put first. The table must not change
// meanwhile.
func (t *Table[K, V]) All(yield func(V) bool) {
	for at := t.order.Back(); at != nil; at = at.Prev() {
		if !yield(at.Value.(*entry[K, V]).value) {
			return
		}
	}
}

// Entries walks keys and values, least lately put first. The table must not change
// meanwhile.
func (t *Table[K, V]) Entries(yield func(K, V) bool) {
	for at := t.order.Back(); at != nil; at = at.Prev() {
		e := at.Value.(*entry[K, V])
		if !yield(e.key, e.value) {
			return
		}
	}
}

// Len counts the entries.
func (t *Table[K, V]) Len() int { return len(t.entries) }

// Evicted counts entries that were pushed out because the table was full.
func (t *Table[K, V]) Evicted() uint64 { return t.evicted }
