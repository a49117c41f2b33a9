package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// spot is where something listens.
type spot struct {
	Namespace string `json:"namespace"`
	// Address "" means every address of the namespace.
	Address  string `json:"address"`
	Port     int    `json:"port"`
	Protocol string `json:"protocol"`
}

func (s spot) String() string {
	return fmt.Sprintf("%s %s in %s", s.Protocol, net.JoinHostPort(s.Address, strconv.Itoa(s.Port)), s.Namespace)
}

// listeners are all sockets that answer, by where they are.
type listeners struct {
	mu    sync.Mutex
	open  map[spot]io.Closer
	names *names
	// tokens that reached a listener, whether or not the answer came back
	seen sync.Map
}

func newListeners(names *names) *listeners {
	return &listeners{open: map[spot]io.Closer{}, names: names}
}

var errInUse = errors.New("something else listens there")

// ensure makes sure that something of ours answers at a spot. A spot that another program holds is an error: what
// answers there is unknown.
func (l *listeners) ensure(at spot) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, protocol := range answering(at.Protocol) {
		// one of ours for every address answers for each
		if _, ok := l.open[spot{at.Namespace, "", at.Port, protocol}]; ok {
			return nil
		}
		if _, ok := l.open[spot{at.Namespace, at.Address, at.Port, protocol}]; ok {
			return nil
		}
	}
	var socket io.Closer
	err := within(at.Namespace, func() (err error) {
		socket, err = l.listen(at)
		return err
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s: %w", at, errInUse)
	}
	if err != nil {
		return fmt.Errorf("listening at %s: %w", at, err)
	}
	l.open[at] = socket
	return nil
}

// answering names the listeners that answer a probe of a protocol: a DNS server echoes what is no question.
func answering(protocol string) []string {
	switch protocol {
	case "udp":
		return []string{"udp", "dns"}
	case "tcp":
		return []string{"tcp", "dns-tcp"}
	}
	return []string{protocol}
}

func (l *listeners) listen(at spot) (io.Closer, error) {
	address := net.JoinHostPort(at.Address, strconv.Itoa(at.Port))
	switch at.Protocol {
	case "tcp", "dns-tcp":
		socket, err := net.Listen("tcp4", address)
		if err != nil {
			return nil, err
		}
		var answer func([]byte) []byte
		if at.Protocol == "dns-tcp" {
			answer = l.names.answer
		}
		go l.serveTCP(socket, at, answer)
		return socket, nil
	case "udp":
		socket, err := net.ListenPacket("udp4", address)
		if err != nil {
			return nil, err
		}
		go l.serveUDP(socket, nil)
		return socket, nil
	case "dns":
		socket, err := net.ListenPacket("udp4", address)
		if err != nil {
			return nil, err
		}
		go l.serveUDP(socket, l.names.answer)
		return socket, nil
	}
	return nil, fmt.Errorf("protocol %q is not known", at.Protocol)
}

// forward listens at a spot and passes every connection on to an address of the machine's own network namespace.
func (l *listeners) forward(at spot, to string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.open[at]; ok {
		return nil
	}
	var socket net.Listener
	err := within(at.Namespace, func() (err error) {
		socket, err = net.Listen("tcp4", net.JoinHostPort(at.Address, strconv.Itoa(at.Port)))
		return err
	})
	if err != nil {
		return fmt.Errorf("listening at %s: %w", at, err)
	}
	l.open[at] = socket
	go func() {
		for {
			incoming, err := socket.Accept()
			if err != nil {
				return
			}
			go pass(incoming, to)
		}
	}()
	return nil
}

func pass(incoming net.Conn, to string) {
	defer incoming.Close()
	outgoing, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return
	}
	defer outgoing.Close()
	go func() {
		io.Copy(outgoing, incoming)
		outgoing.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(incoming, outgoing)
}

// closeAll ends everything that listens in a namespace; it would keep the namespace alive.
func (l *listeners) closeAll(namespace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, socket := range l.open {
		if at.Namespace == namespace {
			socket.Close()
			delete(l.open, at)
		}
	}
}

// longestQuestion is more than any DNS question takes, and less than any text looks like when it is read as a length.
const longestQuestion = 1500

// serveTCP answers a line with the same line, an HTTP request with where it ended up, and, where `answer` is given, a DNS
// question (RFC 1035, 4.2.2: two bytes of length come first) with its answer.
func (l *listeners) serveTCP(socket net.Listener, at spot, answer func([]byte) []byte) {
	for {
		connection, err := socket.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			connection.SetDeadline(time.Now().Add(30 * time.Second))
			reader := bufio.NewReader(connection)
			for {
				if answer != nil {
					start, err := reader.Peek(2)
					if err != nil {
						return
					}
					if length := int(binary.BigEndian.Uint16(start)); length <= longestQuestion {
						question := make([]byte, 2+length)
						if _, err := io.ReadFull(reader, question); err != nil {
							return
						}
						if reply := answer(question[2:]); reply == nil || writeFramed(connection, reply) != nil {
							return
						}
						continue
					}
				}
				line, err := reader.ReadString('\n')
				if err != nil {
					return
				}
				if strings.Contains(line, " HTTP/1.") {
					body := at.Namespace + "\n"
					fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(body), body)
					return
				}
				if line == streamWord {
					swallow(connection, reader, reader.Buffered())
					return
				}
				l.seen.Store(line, true)
				if _, err := io.WriteString(connection, line); err != nil {
					return
				}
			}
		}()
	}
}

// writeFramed writes a DNS message for TCP.
func writeFramed(connection io.Writer, message []byte) error {
	_, err := connection.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}

// serveUDP sends every packet back, unless `answer` knows a better reply.
func (l *listeners) serveUDP(socket net.PacketConn, answer func([]byte) []byte) {
	buffer := make([]byte, 2048)
	for {
		n, from, err := socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		packet := buffer[:n]
		if answer != nil {
			if reply := answer(packet); reply != nil {
				socket.WriteTo(reply, from)
				continue
			}
		}
		l.seen.Store(string(packet), true)
		socket.WriteTo(packet, from)
	}
}
