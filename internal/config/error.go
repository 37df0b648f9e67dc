// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Error is a mistake in the configuration, with its place.
type Error struct {
	// File is the file, variable or "command line"; Line its line, 0 where none is meant.
	File string
	Line int
	Text string
}

// Error gives FILE:LINE: TEXT.
func (e *Error) Error() string {
	switch {
	case e.File == "":
		return e.Text
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.File, e.Text)
	default:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
	}
}

// structs lists the struct types that a configuration is made of, by the names that
// the YAML library uses for them.
func structs() map[string]reflect.Type {
	found := map[string]reflect.Type{}
	gather(reflect.TypeFor[Config](), found)
	return found
}

func gather(t reflect.Type, found map[string]reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		gather(t.Elem(), found)
	case reflect.Struct:
		if found[t.String()] != nil {
			return
		}
		found[t.String()] = t
		for f := range fields(t) {
			gather(f.Type, found)
		}
	default: // a value ends the descent
	}
}

// fields gives the fields that have a key.
func fields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); keyOf(f) != "" && !yield(f) {
				return
			}
		}
	}
}

func keyOf(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return key
}

// keysOf lists the keys of a struct type.
func keysOf(name string) []string {
	t := structs()[name]
	if t == nil {
		return nil
	}
	var keys []string
	for f := range fields(t) {
		keys = append(keys, keyOf(f))
	}
	return keys
}

// Keys lists the top-level keys.
func Keys() []string { return keysOf(reflect.TypeFor[Config]().String()) }

// Known tells whether a word is a top-level key.
func Known(key string) bool { return slices.Contains(Keys(), key) }
