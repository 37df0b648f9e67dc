// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/trapbpf/trapbpf/internal/config"
	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// bench is a service under test: its configuration file, its manager's socket, and the
// namespace that it watches.
type bench struct {
	t       *testing.T
	netns   *kerneltest.Netns
	dir     string
	reload  chan struct{}
	manager *net.UnixConn
	log     *observer.ObservedLogs
	ended   chan error
}

func start(t *testing.T, text string) *bench {
	t.Helper()
	kerneltest.RequireRoot(t)
	kerneltest.Exclusive(t)
	b := &bench{t: t, netns: kerneltest.Namespace(t), dir: t.TempDir(), reload: make(chan struct{}, 1), ended: make(chan error, 1)}
	b.listen()
	b.configure(text)
	core, logs := observer.New(zapcore.DebugLevel)
	b.log = logs
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		b.ended <- Run(ctx, Options{
			Load:   func() (config.Config, error) { return config.Load(config.Source{Path: b.path("main.yaml")}) },
			Reload: b.reload, Stdout: new(bytes.Buffer), Log: zap.New(core), Level: zap.NewAtomicLevel(), Version: "test",
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-b.ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
	return b
}

// listen takes the place of the service manager.
func (b *bench) listen() {
	address := &net.UnixAddr{Name: b.path("notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	b.manager = conn
	b.t.Setenv("NOTIFY_SOCKET", address.Name)
	b.t.Setenv("WATCHDOG_USEC", "1000000")
	b.t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) configure(text string) {
	b.t.Helper()
	text = strings.NewReplacer("NETNS", b.netns.Path, "DIR", b.dir).Replace(text)
	if err := os.WriteFile(b.path("main.yaml"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// hear waits until the manager is told something.
func (b *bench) hear(words string) {
	b.t.Helper()
	if err := b.manager.SetReadDeadline(time.Now().Add(patience)); err != nil {
		b.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for {
		n, err := b.manager.Read(buf)
		if err != nil {
			b.t.Fatalf("the manager was not told %q: %v", words, err)
		}
		if strings.Contains(string(buf[:n]), words) {
			return
		}
	}
}

// exhaust uses up the namespace's ports towards one destination.
func (b *bench) exhaust(port int) {
	b.t.Helper()
	b.netns.Do(b.t, func() error {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40003"), 0o600); err != nil {
			return err
		}
		listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		defer listener.Close()
		for range 10 {
			conn, err := net.Dial("tcp4", listener.Addr().String())
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				return nil
			}
			if err != nil {
				return err
			}
			defer conn.Close()
		}
		return errors.New("ten connections from four ports")
	})
}

// finds waits for an opened finding in a file.
func (b *bench) finds(name string) {
	b.t.Helper()
	kerneltest.Within(b.t, patience, "a finding in "+name, func() bool {
		text, err := os.ReadFile(b.path(name))
		if err != nil {
			return false
		}
		line, _, whole := strings.Cut(string(text), "\n")
		var record map[string]any
		return whole && json.Unmarshal([]byte(line), &record) == nil && strings.Contains(line, `"finding-opened"`)
	})
}

const toFile = "netns: [NETNS]\ntrap: [time-wait-exhaustion]\nsinks:\n  local:\n    file:\n      path: DIR/%s\n"

func TestServiceTellsItsManagerAndItsSinks(t *testing.T) {
	b := start(t, fmt.Sprintf(toFile, "one"))
	b.hear("READY=1")
	b.hear("WATCHDOG=1")
	b.netns.Do(t, loopbackUp)
	b.exhaust(8001)
	b.finds("one")
	b.hear("1 findings open")

	b.configure(fmt.Sprintf(toFile, "two"))
	b.reload <- struct{}{}
	b.hear("RELOADING=1\nMONOTONIC_USEC=")
	b.hear("READY=1")
	b.exhaust(8002)
	b.finds("two")

	b.configure("sinks: {local: {fil: {}}}\n")
	b.reload <- struct{}{}
	b.hear("READY=1")
	if n := b.log.FilterMessage("configuration not reloaded, the old one stays").Len(); n != 1 {
		t.Errorf("a bad configuration was told %d times", n)
	}
	b.configure(strings.Replace(fmt.Sprintf(toFile, "two"), "netns: [NETNS]\n", "", 1))
	b.reload <- struct{}{}
	b.hear("READY=1")
	if n := b.log.FilterMessage("these keys change at the next start only").Len(); n != 1 {
		t.Errorf("a key that needs a restart was told %d times", n)
	}
}

func loopbackUp() error {
	link, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}
