// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lookups is a program that looks names up with Go's own resolver, in a process of its
// own: its resolv.conf is its own too, as a container's is.
type Lookups struct {
	// ResolvConf is the content of its /etc/resolv.conf.
	ResolvConf string `json:"resolv_conf"`
	// Names are looked up one after the other, Rate a second.
	Names []string `json:"names"`
	Rate  int      `json:"rate"`
}

// LookupCommand are the arguments that make the executable run Lookups, before the
// program itself as JSON.
func LookupCommand() []string { return []string{"lab", "lookups"} }

// lookups runs the program in a namespace until the traffic ends, and counts each of its
// lookups; each, where it is not nil, is told of those, too.
func (s *space) lookups(program Lookups, each func(m *meter, line string)) job {
	return func(ctx context.Context, m *meter) error {
		cmd, out, err := s.start(program)
		if err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if each != nil {
				each(m, lines.Text())
			}
			m.attempt(lookupError(lines.Text()))
		}
		err = cmd.Wait()
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("the program of lookups ended: %w", err)
	}
}

// lookupGood begins the lines of lookups that went well.
const lookupGood = "ok "

func lookupError(line string) error {
	if strings.HasPrefix(line, lookupGood) {
		return nil
	}
	return errDenied
}

// start makes a process inside the namespace, with mounts of its own.
func (s *space) start(program Lookups) (*exec.Cmd, io.Reader, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find own executable: %w", err)
	}
	text, err := json.Marshal(program)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(binary, append(LookupCommand(), string(text))...)
	cmd.Stderr = os.Stderr
	// Package syscall makes these mounts private: what is mounted there stays there.
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	// Its input ends when this process does, however that happens.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := s.do(cmd.Start); err != nil {
		return nil, nil, fmt.Errorf("start the program of lookups: %w", err)
	}
	return cmd, out, nil
}

// RunLookups is the program: it runs until its input ends, in mounts of its own.
func RunLookups(ctx context.Context, text string) error {
	var program Lookups
	if err := json.Unmarshal([]byte(text), &program); err != nil {
		return fmt.Errorf("read the program of lookups: %w", err)
	}
	if program.Rate <= 0 || len(program.Names) == 0 {
		return errors.New("the program of lookups has no names or no rate")
	}
	if err := ownEtc(program.ResolvConf); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is what counts
	}()
	resolver := net.Resolver{PreferGo: true}
	next := 0
	pace(ctx, program.Rate, program.Rate*300, func() {
		name := program.Names[next%len(program.Names)]
		next++
		found, err := resolver.LookupHost(ctx, name)
		if err != nil {
			fmt.Println("no", name, err)
			return
		}
		fmt.Println(lookupGood+name, found)
	})
	return nil
}

// ownEtc gives the process an /etc with nothing but a resolv.conf. It refuses where the
// mounts are those of the process's parent.
func ownEtc(resolvConf string) error {
	const own, parent = "/proc/self/ns/mnt", "/proc/%d/ns/mnt"
	mine, err := os.Readlink(own)
	if err != nil {
		return fmt.Errorf("read mount namespace: %w", err)
	}
	theirs, err := os.Readlink(fmt.Sprintf(parent, os.Getppid()))
	if err != nil || mine == theirs {
		return errors.New("a program of lookups is started by a scenario, in mounts of its own")
	}
	if err := os.MkdirAll("/etc", 0o755); err != nil { // a machine with nothing else has none
		return fmt.Errorf("make /etc: %w", err)
	}
	if err := unix.Mount("lab", "/etc", "tmpfs", 0, "size=64k"); err != nil {
		return fmt.Errorf("mount /etc: %w", err)
	}
	return os.WriteFile(filepath.Join("/etc", "resolv.conf"), []byte(resolvConf), 0o644)
}
