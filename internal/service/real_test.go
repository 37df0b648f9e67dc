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
	"sync"
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
	t      *testing.T
	netns  *kerneltest.Netns
	dir    string
	reload chan struct{}
	said   chan string
	log    *observer.ObservedLogs
	ended  chan error
	stdout *locked
	stop   func()
}

func start(t *testing.T, text string) *bench {
	t.Helper()
	kerneltest.RequireRoot(t)
	kerneltest.Exclusive(t)
	b := &bench{t: t, netns: kerneltest.Namespace(t), dir: t.TempDir(), reload: make(chan struct{}, 1), ended: make(chan error, 1), said: make(chan string, 1000)}
	b.listen()
	b.configure(text)
	b.begin()
	t.Cleanup(b.end)
	return b
}

// begin runs the service.
func (b *bench) begin() {
	core, logs := observer.New(zapcore.DebugLevel)
	b.log = logs
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.stdout = new(locked)
	go func() {
		b.ended <- Run(ctx, Options{
			Load:   func() (config.Config, error) { return config.Load(config.Source{Path: b.path("main.yaml")}) },
			Reload: b.reload, Stdout: b.stdout, Log: zap.New(core), Level: zap.NewAtomicLevel(), Version: "test",
		})
	}()
}

// locked is what was written, to be read meanwhile.
type locked struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// end stops it, and waits for that.
func (b *bench) end() {
	b.stop()
	if err := <-b.ended; err != nil {
		b.t.Errorf("the service ended with %v", err)
	}
}

// listen takes the place of the service manager.
func (b *bench) listen() {
	address := &net.UnixAddr{Name: b.path("notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return // closed
			}
			b.said <- string(buf[:n])
		}
	}()
	b.t.Setenv("NOTIFY_SOCKET", address.Name)
	b.t.Setenv("WATCHDOG_USEC", "1000000")
	b.t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) configure(text string) {
	b.t.Helper()
	if !strings.Contains(text, "metrics:") {
		text = "metrics: \"\"\n" + text
	}
	text = strings.NewReplacer("NETNS", b.netns.Path, "DIR", b.dir).Replace(text)
	if err := os.WriteFile(b.path("main.yaml"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// hear waits until the manager is told something, and forgets what it was told before.
func (b *bench) hear(words string) {
	b.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case said := <-b.said:
			if strings.Contains(said, words) {
				return
			}
		case <-deadline:
			b.t.Fatalf("the manager was not told %q", words)
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
	b.told(name, "finding-opened")
}

// told waits for a record of an action in a file, and gives its finding's id.
func (b *bench) told(name, action string) (id string) {
	b.t.Helper()
	kerneltest.Within(b.t, patience, action+" in "+name, func() bool {
		text, err := os.ReadFile(b.path(name))
		if err != nil {
			return false
		}
		for line := range strings.Lines(string(text)) {
			var record struct {
				Event   struct{ Action string }
				Trapbpf struct{ Finding struct{ ID string } }
			}
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				b.t.Fatalf("%q: %v", line, err)
			}
			if record.Event.Action == action {
				id = record.Trapbpf.Finding.ID
			}
		}
		return id != ""
	})
	return id
}

const toFile = "state-directory: DIR/state\nnetns: [NETNS]\ntrap: [time-wait-exhaustion]\nsinks:\n  local:\n    file:\n      path: DIR/%s\n"

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
	b.configure(strings.Replace(fmt.Sprintf(toFile, "two"), "netns: [NETNS]", "netns: []", 1))
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

func TestNextRunGoesOnWithTheSameFinding(t *testing.T) {
	b := start(t, "quiet-period: 3s\n"+fmt.Sprintf(toFile, "out"))
	b.hear("READY=1")
	b.netns.Do(t, loopbackUp)
	b.exhaust(8001)
	first := b.told("out", "finding-opened")
	b.end()
	b.begin()
	b.hear("READY=1")
	b.exhaust(8001)
	if again := b.told("out", "finding-updated"); again != first {
		t.Errorf("finding %s became %s", first, again)
	}
	b.end()
	b.begin()
	b.hear("READY=1")
	if last := b.told("out", "finding-resolved"); last != first {
		t.Errorf("finding %s was resolved as %s", first, last)
	}
}
