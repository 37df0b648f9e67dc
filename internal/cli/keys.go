// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/nearest"
)

// maxConfig bounds a configuration file: a longer one is something else.
const maxConfig = 1 << 20

// applyConfig sets the flags that a configuration file names and the command line
// does not. Keys are the flags' own names; an error tells the line.
func applyConfig(c *cobra.Command, path string) error {
	if path == "" {
		return nil
	}
	text, err := readConfig(path)
	if err != nil {
		return usagef("read configuration: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return usagef("%s: %w", path, err)
	}
	if len(document.Content) == 0 {
		return nil // an empty file says nothing
	}
	return applyKeys(c, path, document.Content[0])
}

func readConfig(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // only read
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxConfig)
	}
	return text, nil
}

func applyKeys(c *cobra.Command, path string, mapping *yaml.Node) error {
	if mapping.Kind != yaml.MappingNode {
		return usagef("%s:%d: expected `key: value` lines, as in `quiet-period: 30s`", path, mapping.Line)
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		f := c.Flags().Lookup(key.Value)
		if f == nil && config.Known(key.Value) {
			continue // for the service: the same file serves both
		}
		if f == nil || !inConfig(key.Value) {
			return usagef("%s:%d: unknown key %q%s", path, key.Line, key.Value,
				nearest.Hint(key.Value, configKeys(c), "see `"+c.CommandPath()+" --help` for the names"))
		}
		if f.Changed {
			continue // the command line is stronger
		}
		if err := setFlag(f, value); err != nil {
			return usagef("%s:%d: %s: %w", path, value.Line, key.Value, err)
		}
	}
	return nil
}

// inConfig tells whether a flag means something in a file.
func inConfig(flag string) bool { return flag != "config" && flag != "help" }

func configKeys(c *cobra.Command) []string {
	var keys []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && inConfig(f.Name) {
			keys = append(keys, f.Name)
		}
	})
	return keys
}

// setFlag sets a flag from a scalar or, where it takes several, from a list.
func setFlag(f *pflag.Flag, value *yaml.Node) error {
	if value.Kind == yaml.ScalarNode {
		return f.Value.Set(value.Value)
	}
	if value.Kind != yaml.SequenceNode {
		return errors.New("expected a value or a list of values")
	}
	if _, several := f.Value.(pflag.SliceValue); !several {
		return errors.New("expected one value, not a list")
	}
	for _, item := range value.Content {
		if item.Kind != yaml.ScalarNode {
			return errors.New("expected a list of plain values")
		}
		if err := f.Value.Set(item.Value); err != nil {
			return err
		}
	}
	return nil
}
