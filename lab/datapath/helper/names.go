package main

import (
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// names is what the lab's DNS servers answer: A records by lower-case name without the last dot.
type names struct {
	mu      sync.RWMutex
	records map[string][]netip.Addr
}

func (n *names) set(records map[string][]netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.records = records
}

func (n *names) lookup(name string) ([]netip.Addr, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	addresses, ok := n.records[strings.TrimSuffix(strings.ToLower(name), ".")]
	return addresses, ok
}

// answer is the reply to one query; nothing for what is no query.
func (n *names) answer(packet []byte) []byte {
	var query dnsmessage.Message
	if query.Unpack(packet) != nil || query.Response || len(query.Questions) == 0 {
		return nil
	}
	question := query.Questions[0]
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: query.ID, Response: true, Authoritative: true,
			RecursionDesired: query.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{question},
	}
	addresses, known := n.lookup(question.Name.String())
	if !known {
		reply.RCode = dnsmessage.RCodeNameError
	}
	if question.Type == dnsmessage.TypeA {
		for _, address := range addresses {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 30},
				Body:   &dnsmessage.AResource{A: address.As4()},
			})
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}
