// Command datapath-helper does for the lab's datapath what Node cannot: it works inside network namespaces. One process
// serves all of them, so that a pod costs no process of its own.
//
//	datapath-helper version
//	datapath-helper serve SOCKET             listeners, forwarders, names and probes, asked for over a Unix socket
//	datapath-helper enter [flags] -- CMD…    runs a program in a network namespace with mounts that only it sees
//	datapath-helper tidy CGROUP              removes the empty cgroup that `enter` left
//	datapath-helper certificates FOLDER SERVICE-NAME         for an API server behind the API server
//	datapath-helper wireguard NAMESPACE DEVICE FOLDER   a WireGuard device in user space
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "datapath-helper:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("say what to do: version, serve, enter, tidy, certificates or wireguard")
	}
	switch args[0] {
	case "version":
		fmt.Println("1.0.0")
		return nil
	case "serve":
		return serve(args[1:])
	case "enter":
		return enter(args[1:])
	case "tidy":
		return tidy(args[1:])
	case "certificates":
		return certificates(args[1:])
	case "wireguard":
		return wireguard(args[1:])
	case "wireguard-here":
		return wireguardHere(args[1:])
	}
	return fmt.Errorf("unknown command %q", args[0])
}
