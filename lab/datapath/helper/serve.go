package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// serve answers on a Unix socket that only its owner reaches, until it is killed. Each request is JSON by POST:
//
//	/listen  {"spots": […]}                   open listeners; {"errors": [...]}, one text a spot, "" where it is open
//	/forward {"spot": …, "to": "IP:PORT"}     pass connections on to the machine's own network
//	/close   {"namespace": …}                 close everything in a namespace
//	/settings {"namespace": …, "settings": {"ipv4/ip_forward": "1"}}  below /proc/sys/net of a namespace
//	/get     {"namespace": …, "address": "IP:PORT", "path": …}  {"status": n, "text": …} of an HTTP server in a namespace
//	/names   {"records": {"name": ["IP"]}}    what the DNS listeners answer
//	/probe   {"probes": […], "timeout": ms, "parallel": n}
//	/handshakes {"probe": …, "count": n, "timeout": ms}  {"nanos": […]}
//	/stream  {"probe": …, "millis": ms}       {"bytes": n, "nanos": n}
//	/pulse   {"probe": …, "every": µs, "millis": ms}     {"changes": [{"at": µs, "delivered": bool}], "sent": n}
//	/users   {"probes": […], "count": n, "millis": ms, "pause": ms, "timeout": ms}
//	/capture {"namespace": …, "link": …, "marker": text} {"id": n}; /captured {"id": n} ends it
func serve(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: serve SOCKET")
	}
	if err := os.Remove(args[0]); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	socket, err := net.Listen("unix", args[0])
	if err != nil {
		return err
	}
	if err := os.Chmod(args[0], 0o600); err != nil {
		return err
	}
	table := &names{}
	all := newListeners(table)
	mux := http.NewServeMux()
	handle(mux, "/listen", func(r struct{ Spots []spot }) (any, error) {
		said := make([]string, len(r.Spots))
		for i, at := range r.Spots {
			if err := all.ensure(at); err != nil {
				said[i] = err.Error()
			}
		}
		return map[string]any{"errors": said}, nil
	})
	handle(mux, "/forward", func(r struct {
		Spot spot
		To   string
	}) (any, error) {
		return struct{}{}, all.forward(r.Spot, r.To)
	})
	handle(mux, "/close", func(r struct{ Namespace string }) (any, error) {
		all.closeAll(r.Namespace)
		return struct{}{}, nil
	})
	handle(mux, "/settings", func(r struct {
		Namespace string
		Settings  map[string]string
	}) (any, error) {
		return struct{}{}, within(r.Namespace, func() error {
			for name, value := range r.Settings {
				if !filepath.IsLocal(name) {
					return fmt.Errorf("%q is no setting", name)
				}
				// the kernel shows a thread the settings of the namespace that it is in
				if err := os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0); err != nil {
					return err
				}
			}
			return nil
		})
	})
	handle(mux, "/get", func(r struct{ Namespace, Address, Path string }) (any, error) {
		status, text, err := get(r.Namespace, r.Address, r.Path)
		return map[string]any{"status": status, "text": text}, err
	})
	handle(mux, "/names", func(r struct{ Records map[string][]netip.Addr }) (any, error) {
		for name, addresses := range r.Records {
			for _, address := range addresses {
				if !address.Is4() {
					return nil, fmt.Errorf("%s: %s is no IPv4 address", name, address)
				}
			}
		}
		table.set(r.Records)
		return struct{}{}, nil
	})
	handle(mux, "/probe", func(r struct {
		Probes   []probe
		Timeout  int
		Parallel int
	}) (any, error) {
		if r.Timeout <= 0 || r.Parallel <= 0 {
			return nil, errors.New("timeout and parallel must be positive")
		}
		return map[string]any{"outcomes": all.tryAll(r.Probes, time.Duration(r.Timeout)*time.Millisecond, r.Parallel)}, nil
	})
	handle(mux, "/handshakes", func(r struct {
		Probe          probe
		Count, Timeout int
	}) (any, error) {
		nanos, err := all.handshakes(r.Probe, r.Count, millis(r.Timeout))
		return map[string]any{"nanos": nanos}, err
	})
	handle(mux, "/stream", func(r struct {
		Probe  probe
		Millis int
	}) (any, error) {
		bytes, nanos, err := all.stream(r.Probe, millis(r.Millis))
		return map[string]any{"bytes": bytes, "nanos": nanos}, err
	})
	handle(mux, "/pulse", func(r struct {
		Probe         probe
		Every, Millis int
	}) (any, error) {
		if r.Every <= 0 {
			return nil, errors.New("every must be positive")
		}
		changes, sent, err := all.pulse(r.Probe, time.Duration(r.Every)*time.Microsecond, millis(r.Millis))
		return map[string]any{"changes": changes, "sent": sent}, err
	})
	handle(mux, "/users", func(r struct {
		Probes                        []probe
		Count, Millis, Pause, Timeout int
	}) (any, error) {
		if len(r.Probes) == 0 {
			return nil, errors.New("say where the users go")
		}
		return all.users(r.Probes, r.Count, millis(r.Millis), millis(r.Pause), millis(r.Timeout))
	})
	links := &captures{}
	handle(mux, "/capture", func(r struct{ Namespace, Link, Marker string }) (any, error) {
		id, err := links.begin(r.Namespace, r.Link, r.Marker)
		return map[string]any{"id": id}, err
	})
	handle(mux, "/captured", func(r struct{ ID int }) (any, error) {
		return links.end(r.ID)
	})
	return http.Serve(socket, mux)
}

func millis(count int) time.Duration {
	return time.Duration(count) * time.Millisecond
}

func handle[T any](mux *http.ServeMux, path string, work func(T) (any, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var request T
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&request)
		var answer any
		if err == nil {
			answer, err = work(request)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(answer)
	})
}
