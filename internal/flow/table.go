// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package flow

import "container/list"

// table is a map of bounded size that forgets the entry least lately put.
type table[K comparable, V any] struct {
	limit   int
	entries map[K]*list.Element
	order   *list.List // front is newest
	evicted uint64
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

func newTable[K comparable, V any](limit int) *table[K, V] {
	return &table[K, V]{limit: limit, entries: map[K]*list.Element{}, order: list.New()}
}

func (t *table[K, V]) get(key K) (V, bool) {
	at, ok := t.entries[key]
	if !ok {
		var none V
		return none, false
	}
	return at.Value.(*entry[K, V]).value, true
}

func (t *table[K, V]) put(key K, value V) {
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

func (t *table[K, V]) forgetOldest() {
	oldest := t.order.Back()
	t.drop(oldest.Value.(*entry[K, V]).key)
	t.evicted++
}

func (t *table[K, V]) drop(key K) {
	if at, ok := t.entries[key]; ok {
		t.order.Remove(at)
		delete(t.entries, key)
	}
}
