package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"

	"golang.org/x/sys/unix"
)

// Namespaces of the lab and nothing else: a probe must never start in a namespace of somebody else.
var ours = regexp.MustCompile(`^cslab-[a-z0-9-]{1,60}$`)

const namespaces = "/run/netns"

// within runs work on a thread that has joined the named network namespace and waits for it. The thread is never
// unlocked, so the runtime throws it away; sockets made by work stay in the namespace and may be used from anywhere.
func within(name string, work func() error) error {
	if !ours.MatchString(name) {
		return fmt.Errorf("%q is no network namespace of the lab", name)
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- join(name, work)
	}()
	return <-done
}

func join(name string, work func() error) error {
	file, err := os.Open(filepath.Join(namespaces, name))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("joining network namespace %s: %w", name, err)
	}
	return work()
}
