// SPDX-FileCopyrightText: The trapbpf authors
// SPDX-License-Identifier: Apache-2.0

package delivery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/trapbpf/trapbpf/internal/kerneltest"
	"github.com/trapbpf/trapbpf/internal/sink"
	"github.com/trapbpf/trapbpf/internal/sink/syslog"
)

// rsyslogConfig receives by TLS, certificates of both sides required. What a message
// was parsed to goes to a file, a line a message.
const rsyslogConfig = `
global(workDirectory="DIR" maxMessageSize="16k" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="DIR/both.pem" defaultNetstreamDriverCertFile="DIR/server.pem" defaultNetstreamDriverKeyFile="DIR/server.key")
main_queue(QUEUE)
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
template(name="parsed" type="string" string="%protocol-version% %app-name% %msgid% %syslogfacility-text% %msg%\n")
input(type="imtcp" port="PORT" address="127.0.0.1")
action(type="omfile" file="DIR/out" template="parsed")
`

// head is what rsyslog must have parsed before the record.
const head = "1 trapbpf finding-"

// rsyslog is one that can be killed, and a remote that knows it.
type rsyslog struct {
	*daemon
	remote *syslog.Remote
	out    string
	port   string
}

func newRsyslog(t *testing.T, queue string) *rsyslog {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	certificates(t, dir)
	config := filepath.Join(dir, "rsyslog.conf")
	text := strings.NewReplacer("DIR", dir, "PORT", port, "QUEUE", queue).Replace(rsyslogConfig)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := syslog.Options{Address: "tls://127.0.0.1:" + port, TLS: sink.TLS{
		CA: filepath.Join(dir, "server.pem"), Certificate: filepath.Join(dir, "client.pem"), Key: filepath.Join(dir, "client.key"),
	}}
	if key, err := o.Check(); err != nil {
		t.Fatal(key, err)
	}
	remote, err := syslog.New("rsyslog", o)
	if err != nil {
		t.Fatal(err)
	}
	return &rsyslog{
		daemon: newDaemon(t, "/usr/sbin/rsyslogd", "-n", "-f", config, "-i", filepath.Join(dir, "pid")),
		remote: remote, out: filepath.Join(dir, "out"), port: port,
	}
}

func (r *rsyslog) start() {
	r.up()
	listens(r.t, r.port)
}

// records gives what arrived, without what rsyslog parsed off; all else is an error.
func (r *rsyslog) records(t *testing.T) []string {
	t.Helper()
	var records []string
	for _, line := range linesOf(t, r.out) {
		if strings.Contains(line, " rsyslogd ") { // its own words
			continue
		}
		before, record, found := strings.Cut(line, " local0 ")
		if !found || !strings.HasPrefix(before, head) {
			t.Fatalf("rsyslog parsed %.200q", line)
		}
		records = append(records, record)
	}
	return records
}

// strike sends a storm while rsyslog is ended and started again, five times.
func (r *rsyslog) strike(t *testing.T, s *storm, signal os.Signal) {
	t.Helper()
	r.start()
	to := spooled(t, r.remote)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		s.send(t, to)
	}()
	for n := range 5 {
		kerneltest.Within(t, patience, fmt.Sprintf("%d records", 100+150*n), func() bool { return len(linesOf(t, r.out)) >= 100+150*n })
		r.down(signal)
		r.start()
	}
	<-sent
	kerneltest.Within(t, patience, "an empty spool", func() bool { return to.Stats().Sent >= uint64(len(s.records)) })
}

func TestRsyslogGetsEveryRecordOverTLS(t *testing.T) {
	r, s := newRsyslog(t, `queue.type="LinkedList"`), newStorm(t)
	r.start()
	s.send(t, spooled(t, r.remote))
	kerneltest.Within(t, patience, "all records", func() bool { return len(linesOf(t, r.out)) >= len(s.records) })
	if twice := s.check(t, r.records(t)); twice != 0 {
		t.Errorf("%d records came twice, and nothing broke", twice)
	}
}

// A restart lets rsyslog write what it has taken.
func TestRsyslogIsRestartedInTheMiddle(t *testing.T) {
	r, s := newRsyslog(t, `queue.type="LinkedList"`), newStorm(t)
	r.strike(t, s, syscall.SIGTERM)
	kerneltest.Within(t, patience, "all records", func() bool { return s.missing(r.records(t)) == 0 })
	t.Logf("%d records came twice", s.check(t, r.records(t)))
}

// A kill costs what lies in rsyslog's queue, unless it has none: then it closes the
// connection after it has written what came.
func TestRsyslogWithoutAQueueIsKilledInTheMiddle(t *testing.T) {
	r, s := newRsyslog(t, `queue.type="Direct"`), newStorm(t)
	r.strike(t, s, syscall.SIGKILL)
	kerneltest.Within(t, patience, "all records", func() bool { return s.missing(r.records(t)) == 0 })
	t.Logf("%d records came twice", s.check(t, r.records(t)))
}
