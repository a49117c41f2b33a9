package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// captures are the links that are listened to now, by number.
type captures struct {
	mu   sync.Mutex
	last int
	open map[int]*capture
}

// capture counts the frames of one link and looks for a text in them.
type capture struct {
	socket int
	marker []byte
	stop   chan struct{}
	done   chan struct{}
	found  captured
}

// captured is what was seen on a link. `Lost` frames were not looked at: what is said of the text is then no proof.
type captured struct {
	Frames int `json:"frames"`
	Bytes  int `json:"bytes"`
	Lost   int `json:"lost"`
	// Kinds counts frames by "udp/8472" (protocol and destination port), "arp" or the number of another protocol.
	Kinds map[string]int `json:"kinds"`
	// Marked counts frames in which the text is readable.
	Marked int    `json:"marked"`
	Error  string `json:"error,omitempty"`
}

// begin starts to listen; once it returns, no frame is missed.
func (c *captures) begin(namespace, link, marker string) (int, error) {
	if marker == "" {
		return 0, errors.New("say which text to look for")
	}
	one := &capture{marker: []byte(marker), stop: make(chan struct{}), done: make(chan struct{}), found: captured{Kinds: map[string]int{}}}
	err := within(namespace, func() (err error) {
		one.socket, err = listenTo(link)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("listening to %s in %s: %w", link, namespace, err)
	}
	go one.run()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[int]*capture{}
	}
	c.last++
	c.open[c.last] = one
	return c.last, nil
}

// end stops listening and says what was seen.
func (c *captures) end(number int) (captured, error) {
	c.mu.Lock()
	one, ok := c.open[number]
	delete(c.open, number)
	c.mu.Unlock()
	if !ok {
		return captured{}, fmt.Errorf("nothing is captured under %d", number)
	}
	close(one.stop)
	<-one.done
	return one.found, nil
}

// listenTo opens a packet socket (packet(7)) on a link of the network namespace that the thread is in.
func listenTo(link string) (int, error) {
	device, err := net.InterfaceByName(link)
	if err != nil {
		return 0, err
	}
	socket, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	// the protocol is named only now, so that nothing of other links is queued
	err = errors.Join(
		unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
		unix.Bind(socket, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: device.Index}),
	)
	if err != nil {
		unix.Close(socket)
		return 0, err
	}
	return socket, nil
}

func bigEndian(value uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, value))
}

// run reads until it is told to stop and nothing is queued any more.
func (c *capture) run() {
	defer close(c.done)
	defer unix.Close(c.socket)
	// frames of a virtual link may be larger than any on a wire: segmentation is left to hardware that is not there
	buffer := make([]byte, 1<<17)
	for {
		length, _, err := unix.Recvfrom(c.socket, buffer, 0)
		switch {
		case err == nil:
			c.count(buffer[:length])
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			select {
			case <-c.stop:
				c.finish()
				return
			default:
			}
		default:
			c.found.Error = err.Error()
			return
		}
	}
}

func (c *capture) finish() {
	statistics, err := unix.GetsockoptTpacketStats(c.socket, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		c.found.Error = err.Error()
		return
	}
	c.found.Lost = int(statistics.Drops)
}

func (c *capture) count(frame []byte) {
	c.found.Frames++
	c.found.Bytes += len(frame)
	c.found.Kinds[kind(frame)]++
	if bytes.Contains(frame, c.marker) {
		c.found.Marked++
	}
}

// kind names an Ethernet frame by what it carries.
func kind(frame []byte) string {
	if len(frame) < 14 {
		return "short"
	}
	switch ether := binary.BigEndian.Uint16(frame[12:]); ether {
	case unix.ETH_P_ARP:
		return "arp"
	case unix.ETH_P_IPV6:
		return "ipv6"
	case unix.ETH_P_IP:
		return kindOfIPv4(frame[14:])
	default:
		return fmt.Sprintf("ether/%#04x", ether)
	}
}

func kindOfIPv4(packet []byte) string {
	if len(packet) < 20 {
		return "short"
	}
	protocol := map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[packet[9]]
	header := int(packet[0]&0xf) * 4
	if protocol == "" || len(packet) < header+4 {
		return "ip/" + strconv.Itoa(int(packet[9]))
	}
	return protocol + "/" + strconv.Itoa(int(binary.BigEndian.Uint16(packet[header+2:])))
}
