// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/trapbpf/trapbpf/internal/nearest"
)

// prefix begins the names of the variables that configure trapbpf.
const prefix = "TRAPBPF_"

// forTests is a variable of the project's own tests: they run the program, too.
const forTests = "TRAPBPF_MUST_PRIVILEGED"

// environment gives a layer for each variable TRAPBPF_*, in the order of their names.
// A variable's name is the key's path in capitals: min-severity is TRAPBPF_MIN_SEVERITY,
// and sinks, whose names are free, is one variable with YAML in it.
func environment(environ []string) ([]layer, error) {
	paths := variables(reflect.TypeFor[Config](), nil)
	var layers []layer
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, prefix) || name == forTests {
			continue
		}
		path := paths[name]
		if path == nil {
			return nil, &Error{File: name, Text: "unknown variable" + nearest.Hint(name, names(paths), "`trapbpf config default` lists the keys")}
		}
		l, err := variable(name, value, path)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// variables gives the key paths that variables can name.
func variables(t reflect.Type, above []string) map[string][]string {
	paths := map[string][]string{}
	for f := range fields(t) {
		path := append(slices.Clone(above), keyOf(f))
		if f.Type.Kind() == reflect.Struct {
			for name, below := range variables(f.Type, path) {
				paths[name] = below
			}
			continue
		}
		word := strings.ToUpper(strings.ReplaceAll(strings.Join(path, "_"), "-", "_"))
		paths[prefix+word] = path
	}
	return paths
}

func names(paths map[string][]string) []string {
	var names []string
	for name := range paths {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// variable gives a variable's value, read as YAML, below its key.
func variable(name, value string, path []string) (layer, error) {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(value), &node); err != nil {
		return layer{}, &Error{File: name, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	var inner any = ""
	if len(node.Content) > 0 {
		inner = node.Content[0]
	}
	for _, key := range slices.Backward(path) {
		inner = map[string]any{key: inner}
	}
	text, err := yaml.Marshal(inner)
	if err != nil {
		return layer{}, &Error{File: name, Text: err.Error()}
	}
	return layer{name: name, text: text}, nil
}
