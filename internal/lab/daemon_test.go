// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
)

// command gives the command that runs a program in a namespace. It dies with this process:
// nsenter, unshare and sh put the program in their own place.
func (s *space) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("nsenter", append([]string{"--net=" + filepath.Join(netnsDir, s.name), name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// glibc gives the command that runs a program in a namespace with a resolv.conf of its
// own, as `ip netns exec` and containers do.
func (s *space) glibc(resolvConf string, args ...string) *exec.Cmd {
	const own = `mount --bind "$0" /etc/resolv.conf && exec "$@"`
	return s.command("unshare", append([]string{"--mount", "sh", "-c", own, resolvConf}, args...)...)
}

// daemon is a caching resolver of Debian's, at streetFirst in the world of a street. It
// asks streetZone.
type daemon struct {
	cmd *exec.Cmd
	// flush is the command that empties its cache.
	flush func() *exec.Cmd
}

// readyName is what a daemon knows by itself.
const readyName = "ready.test"

// startDnsmasq starts dnsmasq in the foreground.
func startDnsmasq(t testing.TB, s *space) *daemon {
	d := &daemon{cmd: s.command("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll", "--user=root",
		"--pid-file=", "--log-facility=/dev/null", "--listen-address="+streetFirst, "--bind-interfaces", "--server="+streetZone, "--host-record="+readyName+",127.0.0.1")}
	d.flush = func() *exec.Cmd { return exec.Command("kill", "-HUP", fmt.Sprint(d.cmd.Process.Pid)) }
	d.start(t, s)
	return d
}

// startUnbound starts unbound in the foreground.
func startUnbound(t testing.TB, s *space) *daemon {
	dir := t.TempDir()
	conf := filepath.Join(dir, "unbound.conf")
	write(t, conf, `server:
  interface: `+streetFirst+`
  access-control: 0.0.0.0/0 allow
  do-daemonize: no
  use-syslog: no
  logfile: /dev/null
  chroot: ""
  username: ""
  directory: "`+dir+`"
  pidfile: ""
  num-threads: 1
  module-config: "iterator"
  local-zone: "test." nodefault
  local-data: "`+readyName+`. A 127.0.0.1"
remote-control:
  control-enable: yes
  control-interface: `+dir+`/control
  control-use-cert: no
forward-zone:
  name: "."
  forward-addr: `+streetZone+`
`)
	d := &daemon{cmd: s.command("unbound", "-d", "-p", "-c", conf)}
	d.flush = func() *exec.Cmd { return exec.Command("unbound-control", "-c", conf, "flush_zone", ".") }
	d.start(t, s)
	return d
}

func (d *daemon) start(t testing.TB, s *space) {
	t.Helper()
	var said strings.Builder
	d.cmd.Stderr = &said
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("%v: see .ci/run for what the tests use", err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
		if t.Failed() && said.Len() > 0 {
			t.Log(said.String())
		}
	})
	kerneltest.Within(t, 10*time.Second, d.cmd.Args[2]+" answers", func() bool {
		ready := stubOf(streetFirst)
		ready.tries, ready.wait = 1, 200*time.Millisecond
		return s.do(func() error { _, err := ready.ask(readyName, dnsmessage.TypeA); return err }) == nil
	})
}

// empty empties its cache.
func (d *daemon) empty(t testing.TB) {
	if out, err := d.flush().CombinedOutput(); err != nil {
		t.Errorf("empty the cache: %v: %s", err, out)
	}
}

// perlApp is a program of glibc's resolver in one process. Told to "dial" it resolves the
// first name when it starts and dials that for ever, on SIGHUP the next name; told to
// "look" it looks the names up one after the other.
const perlApp = `
use Socket qw(getaddrinfo getnameinfo NI_NUMERICHOST NI_NUMERICSERV SOCK_STREAM);
$| = 1;
my ($does, $pause, $port, @names) = @ARGV;
my ($next, $at, $anew) = (0, undef, 0);
$SIG{HUP} = sub { $anew = 1 };
while (1) {
	($at, $anew) = (undef, 0) if $anew;
	if ($does eq 'look' or !$at) {
		my $name = $names[$next++ % @names];
		print "asking $name\n";
		my ($error, @found) = getaddrinfo($name, $port, {socktype => SOCK_STREAM});
		$at = $error ? undef : $found[0];
		print $error ? "failed $name\n" : "found $name\n";
	}
	if ($does eq 'dial' and $at) {
		my (undef, $text) = getnameinfo($at->{addr}, NI_NUMERICHOST | NI_NUMERICSERV);
		print "dialling $text\n";
		if (socket(my $s, $at->{family}, $at->{socktype}, $at->{protocol})) {
			print connect($s, $at->{addr}) ? "connected $text\n" : "refused $text\n";
		}
	}
	select(undef, undef, undef, $pause);
}
`

// runLines runs a command until the traffic ends, and hands each of its lines on as two
// words.
func runLines(cmd *exec.Cmd, each func(m *meter, verb, what string)) job {
	return func(ctx context.Context, m *meter) error {
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return err
		}
		defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
		for lines := bufio.NewScanner(out); lines.Scan(); {
			verb, what, _ := strings.Cut(lines.Text(), " ")
			each(m, verb, what)
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); ctx.Err() == nil {
			return fmt.Errorf("%s ended: %w", cmd.Args, err)
		}
		return nil
	}
}

// runGetent looks a name up rate times a second, by another process each time. The text
// that each is told is "" where nothing was found.
func runGetent(s *space, resolvConf, name string, rate int, each func(m *meter, text string)) job {
	return func(ctx context.Context, m *meter) error {
		var broken error
		pace(ctx, rate, rate*300, func() {
			text, err := s.glibc(resolvConf, "getent", "ahosts", name).Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				broken = err
			}
			if err == nil {
				m.attempt(nil)
			} else {
				m.attempt(errDenied)
			}
			each(m, string(text))
		})
		return broken
	}
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
