// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/service"
)

func newRun(env Environment) *cobra.Command {
	var f watchFlags
	c := &cobra.Command{
		Use:   "run",
		Short: "Watch this host as a service: configuration file, sinks, service manager",
		Long: `Runs the agent of ` + "`watch`" + ` as a service. It is configured by ` + config.DefaultPath + `, the
files conf.d/*.yaml beside it, variables TRAPBPF_*, and flags, each stronger than the
one before. Without a sink in the configuration it writes JSON lines to standard output.
SIGHUP reloads the configuration and reopens files. Needs root.`,
		Example: `  sudo trapbpf run
  sudo trapbpf run --config ./trapbpf.yaml --for 1m
  trapbpf config default > trapbpf.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), env, cmd.Flags(), &f)
		},
	}
	f.addLive(c)
	f.addOutput(c)
	c.Flags().String("log-level", "info", "lowest `LEVEL` of the log on stderr: debug, info, warn or error")
	c.Flags().String("state-directory", config.Default().StateDirectory, "keep what must outlive the agent in this `DIRECTORY`")
	c.Flags().String("metrics", config.Default().Metrics, "answer Prometheus and health checks on this `ADDRESS`, HOST:PORT (\"\": nowhere)")
	c.Flags().Lookup("config").Usage = "read this YAML `FILE` and the conf.d beside it (default " + config.DefaultPath + ")"
	_ = c.RegisterFlagCompletionFunc("log-level", cobra.FixedCompletions([]string{"debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// serve runs the service until ctx ends.
func serve(ctx context.Context, env Environment, flags *pflag.FlagSet, f *watchFlags) error {
	level := zap.NewAtomicLevel()
	log := newLog(env.Stderr, env.StderrTerminal, env.colored(f.color), level)
	defer log.Sync() //nolint:errcheck // stderr has nothing to sync
	reload := make(chan struct{}, 1)
	defer env.onHangup(ctx, func() {
		select {
		case reload <- struct{}{}:
		default: // one is asked for already
		}
	})()
	return service.Run(ctx, service.Options{
		Load:   func() (config.Config, error) { return load(env, flags, f) },
		Reload: reload,
		Stdout: env.Stdout,
		Rung:   f.rung,
		Reduce: env.Reduce,
		Log:    log, Level: level,
		Version: env.Version,
	})
}

// load reads the configuration, with the flags that were given on top.
func load(env Environment, flags *pflag.FlagSet, f *watchFlags) (config.Config, error) {
	from := config.Source{Path: f.config, Flags: given(flags)}
	if env.Environ != nil {
		from.Environ = env.Environ()
	}
	return config.Load(from)
}

// given gives the flags on the command line that are keys of the configuration.
func given(flags *pflag.FlagSet) map[string]any {
	values := map[string]any{}
	flags.Visit(func(f *pflag.Flag) {
		switch several, ok := f.Value.(pflag.SliceValue); {
		case f.Name == "debug":
			values["log-level"] = "debug"
		case !config.Known(f.Name):
		case ok:
			values[f.Name] = several.GetSlice()
		case f.Value.Type() == "bool":
			values[f.Name] = f.Value.String() == "true"
		default:
			values[f.Name] = f.Value.String()
		}
	})
	return values
}

func newConfig(env Environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show the default configuration, or check one",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "default",
		Short: "Print a configuration file with every key, its default and what it means",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := env.Stdout.Write(config.Text())
			return err
		},
	}, newConfigValidate(env))
	return c
}

func newConfigValidate(env Environment) *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Check the configuration that `run` would use, and say where a mistake is",
		Long: `Reads FILE, or ` + config.DefaultPath + `, with the conf.d beside it and the variables TRAPBPF_*, as
` + "`trapbpf run`" + ` does. Exits 2 where there is a mistake.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f := &watchFlags{}
			if len(args) > 0 {
				f.config = args[0]
			}
			c, err := load(env, cmd.Flags(), f)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(env.Stdout, "the configuration is good: %d sinks\n", len(c.Sinks))
			return err
		},
	}
}
