package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// enter gives a program its own view of mounts – a BPF file system, a cgroup, an empty /run/cilium, a read-only
// /proc/sys/kernel – and a network namespace. The mounts end with the program, however it ends, and the machine's
// kernel settings are out of its reach.
func enter(args []string) error {
	flags := flag.NewFlagSet("enter", flag.ContinueOnError)
	namespace := flags.String("namespace", "", "network namespace")
	bpf := flags.String("bpf", "", "folder on which a BPF file system is mounted")
	top := flags.String("cgroup-top", "", "folder on which the cgroup hierarchy is mounted")
	cgroup := flags.String("cgroup", "", "name of a cgroup; it is mounted on the folder <cgroup-top>.own")
	devices := flags.String("wireguard", "", "folder that is seen as /run/wireguard; none where empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	command := flags.Args()
	if *namespace == "" || *bpf == "" || *top == "" || *cgroup == "" || len(command) == 0 {
		return errors.New("usage: enter -namespace N -bpf FOLDER -cgroup-top FOLDER -cgroup NAME -- CMD…")
	}
	if !ours.MatchString(*namespace) {
		return fmt.Errorf("%q is no network namespace of the lab", *namespace)
	}
	runtime.LockOSThread()
	if err := ownMounts(); err != nil {
		return err
	}
	own := *top + ".own"
	for _, folder := range []string{*bpf, *top, own, "/run/cilium"} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := mount("bpf", *bpf, "bpf"); err != nil {
		return err
	}
	if err := mount("none", *top, "cgroup2"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(*top, *cgroup), 0o755); err != nil {
		return err
	}
	if err := bind(filepath.Join(*top, *cgroup), own); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run/cilium", "tmpfs"); err != nil {
		return err
	}
	if *devices != "" {
		for _, folder := range []string{*devices, "/run/wireguard"} {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				return err
			}
		}
		if err := bind(*devices, "/run/wireguard"); err != nil {
			return err
		}
	}
	if err := bind("/proc/sys/kernel", "/proc/sys/kernel"); err != nil {
		return err
	}
	if err := unix.Mount("", "/proc/sys/kernel", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("making /proc/sys/kernel read-only: %w", err)
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return join(*namespace, func() error { return unix.Exec(program, command, os.Environ()) })
}

// ownMounts lets this process see what is mounted later (network namespaces), and nobody see what it mounts.
func ownMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("a mount namespace of its own: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("detaching mounts: %w", err)
	}
	return nil
}

func mount(source, target, kind string) error {
	if err := unix.Mount(source, target, kind, unix.MS_NOSUID|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", kind, target, err)
	}
	return nil
}

func bind(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("binding %s to %s: %w", source, target, err)
	}
	return nil
}

// tidy removes the cgroup that an agent left, if nothing is in it.
func tidy(args []string) error {
	if len(args) != 1 || !ours.MatchString(args[0]) {
		return errors.New("usage: tidy CGROUP")
	}
	runtime.LockOSThread()
	if err := ownMounts(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "cslab-cgroup-")
	if err != nil {
		return err
	}
	defer os.Remove(folder)
	if err := mount("none", folder, "cgroup2"); err != nil {
		return err
	}
	defer unix.Unmount(folder, unix.MNT_DETACH)
	if err := os.Remove(filepath.Join(folder, args[0])); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
