package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// handshakes opens connections one after the other and says how long the kernel took for each, in nanoseconds: from the
// first packet to the established connection, no thread or timer of ours in between. Each is reset at once, so that none
// is left behind for the next to find.
func (l *listeners) handshakes(p probe, count int, timeout time.Duration) ([]int64, error) {
	if err := l.ensure(spot{p.To, p.Address, p.Port, p.Protocol}); err != nil {
		return nil, err
	}
	address, err := netip.ParseAddr(p.Address)
	if err != nil || !address.Is4() || p.Protocol != "tcp" {
		return nil, errors.New("handshakes are measured with tcp to an IPv4 address")
	}
	target := &unix.SockaddrInet4{Addr: address.As4(), Port: p.Port}
	nanos := make([]int64, 0, count)
	err = within(p.From, func() error {
		for range count {
			took, err := handshake(target, timeout)
			if err != nil {
				return fmt.Errorf("connection %d: %w", len(nanos)+1, err)
			}
			nanos = append(nanos, took.Nanoseconds())
		}
		return nil
	})
	return nanos, err
}

func handshake(target unix.Sockaddr, timeout time.Duration) (time.Duration, error) {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(socket)
	limit := unix.NsecToTimeval(timeout.Nanoseconds())
	// connect(2) keeps to the time limit for sending
	err = errors.Join(
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
		unix.SetsockoptLinger(socket, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
	)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = unix.Connect(socket, target)
	// a signal of Go's own scheduler ends the call and not the attempt, which another call waits for
	for errors.Is(err, unix.EINTR) {
		err = unix.Connect(socket, target)
	}
	return time.Since(start), err
}

// streamWord is the line that turns a TCP listener into one that swallows all that follows and answers with its length.
const streamWord = "stream\n"

// swallow reads until the other side has said all, and answers how much it was.
func swallow(connection io.ReadWriter, early io.Reader, buffered int) {
	total, _ := io.CopyN(io.Discard, early, int64(buffered))
	buffer := make([]byte, 256<<10)
	for {
		length, err := connection.Read(buffer)
		total += int64(length)
		if err != nil {
			break
		}
	}
	fmt.Fprintf(connection, "%d\n", total)
}

// stream sends through one connection for a while; returns what arrived, and the nanoseconds until the last of it had.
func (l *listeners) stream(p probe, during time.Duration) (arrived int64, nanos int64, err error) {
	if p.Protocol != "tcp" || during > 20*time.Second {
		return 0, 0, errors.New("a stream is tcp and takes 20 s at most")
	}
	if err := l.ensure(spot{p.To, p.Address, p.Port, p.Protocol}); err != nil {
		return 0, 0, err
	}
	connection, err := dial(p, 5*time.Second)
	if err != nil {
		return 0, 0, err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(during + 10*time.Second))
	if _, err := io.WriteString(connection, streamWord); err != nil {
		return 0, 0, err
	}
	chunk := make([]byte, 256<<10)
	start := time.Now()
	for time.Since(start) < during {
		if _, err := connection.Write(chunk); err != nil {
			return 0, 0, err
		}
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, 0, err
	}
	answer, err := io.ReadAll(connection)
	took := time.Since(start)
	if err != nil {
		return 0, 0, err
	}
	if len(answer) == 0 || answer[len(answer)-1] != '\n' {
		return 0, 0, errors.New("the listener did not say how much arrived")
	}
	arrived, err = strconv.ParseInt(string(answer[:len(answer)-1]), 10, 64)
	return arrived, took.Nanoseconds(), err
}

// change is the moment (microseconds since 1970) at which a packet was sent that fared otherwise than the one before.
type change struct {
	At        int64 `json:"at"`
	Delivered bool  `json:"delivered"`
}

// pulse sends a UDP packet with a source port of its own every so often, and tells when what became of them changed; the
// first packet counts as a change.
func (l *listeners) pulse(p probe, every, during time.Duration) (changes []change, sent int, err error) {
	if p.Protocol != "udp" {
		return nil, 0, errors.New("a pulse is udp")
	}
	if err := l.ensure(spot{p.To, p.Address, p.Port, p.Protocol}); err != nil {
		return nil, 0, err
	}
	type packet struct {
		at    int64
		token string
	}
	var packets []packet
	err = within(p.From, func() error {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for end := time.Now().Add(during); time.Now().Before(end); <-tick.C {
			one := packet{token: newToken(), at: time.Now().UnixMicro()}
			if err := sendAlone(p, one.token); err != nil {
				return err
			}
			packets = append(packets, one)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	// the last ones may be on their way
	time.Sleep(300 * time.Millisecond)
	for i, one := range packets {
		_, delivered := l.seen.LoadAndDelete(one.token)
		if i == 0 || delivered != changes[len(changes)-1].Delivered {
			changes = append(changes, change{one.at, delivered})
		}
	}
	return changes, len(packets), nil
}

func sendAlone(p probe, token string) error {
	connection, err := net.Dial("udp4", net.JoinHostPort(p.Address, strconv.Itoa(p.Port)))
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = io.WriteString(connection, token)
	return err
}

// crowd is what many users at once have lived through.
type crowd struct {
	Connections int64 `json:"connections"`
	Exchanges   int64 `json:"exchanges"`
	// Most connections that were open at the same time.
	Most int64 `json:"most"`
	// Failures by what the system said.
	Failures map[string]int `json:"failures"`
	// Microseconds that an exchange took: half of them, all but one in a hundred, all.
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

// dialsAtOnce bounds the threads that wait for a connection.
const dialsAtOnce = 64

// users has `count` users connect, all of them, and then each exchange tokens: ten to a connection with a pause after
// each, then over a new connection. User i uses probe i modulo their number.
func (l *listeners) users(probes []probe, count int, during, pause, timeout time.Duration) (crowd, error) {
	for _, p := range probes {
		if p.Protocol != "tcp" {
			return crowd{}, errors.New("users are served over tcp")
		}
		if err := l.ensure(spot{p.To, p.Address, p.Port, p.Protocol}); err != nil {
			return crowd{}, err
		}
	}
	hall := &hall{gate: make(chan struct{}), dials: make(chan struct{}, dialsAtOnce), failures: map[string]int{}, timeout: timeout, pause: pause}
	var connected, finished sync.WaitGroup
	for i := range count {
		connected.Add(1)
		finished.Add(1)
		go func() {
			defer finished.Done()
			hall.visit(probes[i%len(probes)], connected.Done)
		}()
	}
	connected.Wait()
	hall.end = time.Now().Add(during)
	close(hall.gate)
	finished.Wait()
	return hall.summary(), nil
}

// hall is where the users are.
type hall struct {
	// gate opens once every user has tried to connect; `end` is set by then.
	gate           chan struct{}
	end            time.Time
	dials          chan struct{}
	timeout, pause time.Duration

	open, most, connections atomic.Int64

	mu       sync.Mutex
	took     []int64
	failures map[string]int
}

// visit is one user from the first connection to the last.
func (h *hall) visit(p probe, connected func()) {
	connection, err := h.connect(p)
	connected()
	<-h.gate
	for {
		if err == nil {
			err = h.talk(connection)
			h.open.Add(-1)
			connection.Close()
		}
		if err != nil {
			h.fail(err)
			// a user whom nobody answers tries again like a person, not like a loop
			time.Sleep(h.pause)
		}
		if !time.Now().Before(h.end) {
			return
		}
		connection, err = h.connect(p)
	}
}

func (h *hall) connect(p probe) (net.Conn, error) {
	h.dials <- struct{}{}
	defer func() { <-h.dials }()
	connection, err := dial(p, h.timeout)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", unwrapped(err))
	}
	h.connections.Add(1)
	now := h.open.Add(1)
	for most := h.most.Load(); now > most && !h.most.CompareAndSwap(most, now); most = h.most.Load() {
	}
	return connection, nil
}

func (h *hall) talk(connection net.Conn) error {
	for range 10 {
		start := time.Now()
		if err := echo(connection, "tcp", newToken(), start.Add(h.timeout)); err != nil {
			return fmt.Errorf("exchange: %w", unwrapped(err))
		}
		took := time.Since(start).Microseconds()
		h.mu.Lock()
		h.took = append(h.took, took)
		h.mu.Unlock()
		time.Sleep(h.pause)
		if !time.Now().Before(h.end) {
			return nil
		}
	}
	return nil
}

func (h *hall) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures[err.Error()]++
}

func (h *hall) summary() crowd {
	slices.Sort(h.took)
	at := func(share float64) int64 {
		if len(h.took) == 0 {
			return 0
		}
		return h.took[int(float64(len(h.took)-1)*share)]
	}
	return crowd{h.connections.Load(), int64(len(h.took)), h.most.Load(), h.failures, at(0.5), at(0.99), at(1)}
}

// unwrapped is the reason without the addresses, which differ from connection to connection.
func unwrapped(err error) error {
	var operation *net.OpError
	if errors.As(err, &operation) {
		return operation.Err
	}
	return err
}
