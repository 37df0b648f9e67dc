// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file, in bytes: a longer one is something else.
const maxFile = 1 << 20

// Source says where a configuration comes from.
type Source struct {
	// Path is the main file; empty means DefaultPath, which then may be missing.
	Path string
	// Environ are variables as os.Environ gives them.
	Environ []string
	// Flags are the flags given, by name; their values are strings or lists of strings.
	Flags map[string]any
}

// Load reads every layer and checks the whole. Every error is an *Error that says
// where the mistake is.
func Load(from Source) (Config, error) {
	c := Default()
	layers, err := from.layers()
	if err != nil {
		return c, err
	}
	for _, l := range layers {
		if err := l.apply(&c); err != nil {
			return c, err
		}
	}
	if problem := c.check(); problem != nil {
		return c, problem.in(layers)
	}
	return c, nil
}

// layers gives the layers from the weakest to the strongest.
func (from Source) layers() ([]layer, error) {
	paths, err := from.paths()
	if err != nil {
		return nil, err
	}
	var layers []layer
	for _, path := range paths {
		text, err := read(path)
		if err != nil {
			return nil, err
		}
		layers = append(layers, layer{name: path, text: text, lines: true})
	}
	variables, err := environment(from.Environ)
	if err != nil {
		return nil, err
	}
	flags, err := flagLayer(from.Flags)
	if err != nil {
		return nil, err
	}
	return append(append(layers, variables...), flags...), nil
}

// paths lists the files to read.
func (from Source) paths() ([]string, error) {
	path, optional := from.Path, false
	if path == "" {
		path, optional = DefaultPath, true
	}
	more, err := filepath.Glob(filepath.Join(filepath.Dir(path), "conf.d", "*.yaml"))
	if err != nil {
		return nil, &Error{File: path, Text: err.Error()}
	}
	slices.Sort(more)
	if _, err := os.Stat(path); optional && errors.Is(err, os.ErrNotExist) {
		return more, nil
	}
	return append([]string{path}, more...), nil
}

func read(path string) ([]byte, error) {
	stat, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, &Error{File: path, Text: cause(err)}
	case !stat.Mode().IsRegular():
		return nil, &Error{File: path, Text: "is " + kindOf(stat.Mode()) + ", not a file: give the path of a YAML file"}
	case stat.Size() > maxFile:
		return nil, &Error{File: path, Text: fmt.Sprintf("is longer than %d bytes", maxFile)}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{File: path, Text: cause(err)}
	}
	return text, nil
}

func kindOf(mode os.FileMode) string {
	if mode.IsDir() {
		return "a directory"
	}
	return "a " + strings.ToLower(mode.Type().String())
}

// cause gives an error without the path, which stands before it already.
func cause(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// flagLayer gives the flags as a layer; none where no flag was given.
func flagLayer(flags map[string]any) ([]layer, error) {
	if len(flags) == 0 {
		return nil, nil
	}
	text, err := yaml.Marshal(flags)
	if err != nil {
		return nil, &Error{File: "command line", Text: err.Error()}
	}
	return []layer{{name: "command line", text: text}}, nil
}
