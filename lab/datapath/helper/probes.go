package main

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// probe is one connection to try.
type probe struct {
	// From is the namespace that it starts in, Bind the source address where the namespace has several.
	From string `json:"from"`
	Bind string `json:"bind"`
	// To is the namespace that owns Address; a listener is opened there. "" where the address is a virtual one (a Service).
	To       string `json:"to"`
	Address  string `json:"address"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
	// Name is what a "dns" probe asks the server at Address for; the token of a "tcp" or "udp" probe begins with it.
	Name string `json:"name"`
}

// outcome says what the network let through. The verdict is "allowed" only where a random token (for "dns" an answer) came
// back, "denied" where nothing or an ICMP error did, "refused" where a DNS server or proxy answered with a refusal, and
// "error" where the lab itself is at fault: that proves nothing.
type outcome struct {
	Verdict string `json:"verdict"`
	Reason  string `json:"reason,omitempty"`
	// Delivered: the request reached the listener, whether or not the answer came back.
	Delivered bool     `json:"delivered"`
	Micros    int64    `json:"micros"`
	Answers   []string `json:"answers,omitempty"`
}

// tryAll tries all probes, `parallel` at once; outcomes are in the order of the probes.
func (l *listeners) tryAll(probes []probe, timeout time.Duration, parallel int) []outcome {
	outcomes := make([]outcome, len(probes))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(parallel, len(probes)) {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				i := int(next.Add(1)) - 1
				if i >= len(probes) {
					return
				}
				outcomes[i] = l.try(probes[i], timeout)
			}
		}()
	}
	group.Wait()
	return outcomes
}

func (l *listeners) try(p probe, timeout time.Duration) outcome {
	if p.To != "" && !asks(p.Protocol) {
		if err := l.ensure(spot{p.To, p.Address, p.Port, p.Protocol}); err != nil {
			return outcome{Verdict: "error", Reason: err.Error()}
		}
	}
	start := time.Now()
	var o outcome
	if asks(p.Protocol) {
		o = askName(p, timeout)
	} else {
		o = l.exchange(p, timeout)
	}
	o.Micros = time.Since(start).Microseconds()
	return o
}

// asks tells whether a probe of this protocol asks a DNS server that is there already.
func asks(protocol string) bool {
	return protocol == "dns" || protocol == "dns-tcp"
}

// exchange sends a random token and waits for it to come back.
func (l *listeners) exchange(p probe, timeout time.Duration) outcome {
	token := p.Name + newToken()
	defer l.seen.Delete(token)
	end := time.Now().Add(timeout)
	connection, err := dial(p, timeout)
	if err == nil {
		err = echo(connection, p.Protocol, token, end)
		connection.Close()
	}
	o := classify(err)
	_, o.Delivered = l.seen.Load(token)
	return o
}

func newToken() string {
	var raw [12]byte
	rand.Read(raw[:])
	return hex.EncodeToString(raw[:]) + "\n"
}

func dial(p probe, timeout time.Duration) (connection net.Conn, err error) {
	network := map[string]string{"tcp": "tcp4", "udp": "udp4", "dns": "udp4", "dns-tcp": "tcp4"}[p.Protocol]
	if network == "" {
		return nil, fmt.Errorf("protocol %q cannot be probed", p.Protocol)
	}
	dialer := net.Dialer{Timeout: timeout}
	if p.Bind != "" {
		ip := net.ParseIP(p.Bind)
		if network == "tcp4" {
			dialer.LocalAddr = &net.TCPAddr{IP: ip}
		} else {
			dialer.LocalAddr = &net.UDPAddr{IP: ip}
		}
	}
	err = within(p.From, func() (err error) {
		connection, err = dialer.Dial(network, net.JoinHostPort(p.Address, strconv.Itoa(p.Port)))
		return err
	})
	return connection, err
}

// echo sends the token until it comes back. UDP says it again every 300 ms: a packet may be lost while a neighbour is
// looked up.
func echo(connection net.Conn, protocol, token string, end time.Time) error {
	buffer := make([]byte, len(token))
	for {
		if _, err := io.WriteString(connection, token); err != nil {
			return err
		}
		wait := end
		if next := time.Now().Add(300 * time.Millisecond); protocol == "udp" && next.Before(end) {
			wait = next
		}
		connection.SetReadDeadline(wait)
		_, err := io.ReadFull(connection, buffer)
		if err == nil {
			if string(buffer) != token {
				return fmt.Errorf("an unexpected answer came back")
			}
			return nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || !time.Now().Before(end) {
			return err
		}
	}
}

func classify(err error) outcome {
	var network net.Error
	switch {
	case err == nil:
		return outcome{Verdict: "allowed"}
	case errors.As(err, &network) && network.Timeout():
		return outcome{Verdict: "denied", Reason: "timeout"}
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES):
		return outcome{Verdict: "denied", Reason: "unreachable"}
	}
	// a refusal or a reset comes from somebody who was reached, and here somebody listens: it proves nothing
	return outcome{Verdict: "error", Reason: err.Error()}
}

// askName asks a DNS server for the A records of a name.
func askName(p probe, timeout time.Duration) outcome {
	name, err := dnsmessage.NewName(strings.TrimSuffix(p.Name, ".") + ".")
	if err != nil {
		return outcome{Verdict: "error", Reason: err.Error()}
	}
	var raw [2]byte
	rand.Read(raw[:])
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: uint16(raw[0])<<8 | uint16(raw[1]), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packet, err := query.Pack()
	if err != nil {
		return outcome{Verdict: "error", Reason: err.Error()}
	}
	connection, err := dial(p, timeout)
	if err != nil {
		return classify(err)
	}
	defer connection.Close()
	if p.Protocol == "dns-tcp" {
		return askOverTCP(connection, packet, query.ID, timeout)
	}
	buffer := make([]byte, 1500)
	for end := time.Now().Add(timeout); time.Now().Before(end); {
		if _, err := connection.Write(packet); err != nil {
			return classify(err)
		}
		connection.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		length, err := connection.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		if err != nil {
			return classify(err)
		}
		var reply dnsmessage.Message
		if reply.Unpack(buffer[:length]) != nil || reply.ID != query.ID {
			continue
		}
		return named(reply)
	}
	return outcome{Verdict: "denied", Reason: "timeout"}
}

// askOverTCP sends one question and waits for its answer.
func askOverTCP(connection net.Conn, packet []byte, id uint16, timeout time.Duration) outcome {
	connection.SetDeadline(time.Now().Add(timeout))
	if err := writeFramed(connection, packet); err != nil {
		return classify(err)
	}
	var length [2]byte
	if _, err := io.ReadFull(connection, length[:]); err != nil {
		return classify(err)
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(connection, answer); err != nil {
		return classify(err)
	}
	var reply dnsmessage.Message
	if err := reply.Unpack(answer); err != nil || reply.ID != id {
		return outcome{Verdict: "error", Reason: "what came back is no answer to the question"}
	}
	return named(reply)
}

func named(reply dnsmessage.Message) outcome {
	switch reply.RCode {
	case dnsmessage.RCodeSuccess, dnsmessage.RCodeNameError:
		o := outcome{Verdict: "allowed", Delivered: true}
		if reply.RCode == dnsmessage.RCodeNameError {
			o.Reason = "no such name"
		}
		for _, answer := range reply.Answers {
			if a, ok := answer.Body.(*dnsmessage.AResource); ok {
				o.Answers = append(o.Answers, net.IP(a.A[:]).String())
			}
		}
		return o
	case dnsmessage.RCodeRefused:
		return outcome{Verdict: "refused", Reason: "the server or the agent's proxy refuses the name"}
	}
	return outcome{Verdict: "error", Reason: reply.RCode.String()}
}
