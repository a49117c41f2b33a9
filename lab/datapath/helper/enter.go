package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// folders is a flag that may be given several times.
type folders []string

func (f *folders) String() string { return strings.Join(*f, ",") }

func (f *folders) Set(folder string) error {
	*f = append(*f, folder)
	return nil
}

// enter gives a program its own view of mounts – empty folders, a read-only /proc/sys/kernel and, where they are asked
// for, a BPF file system, a cgroup, the /sys of its network – and a network namespace. The mounts end with the program,
// however it ends, and the machine's kernel settings are out of its reach.
func enter(args []string) error {
	flags := flag.NewFlagSet("enter", flag.ContinueOnError)
	namespace := flags.String("namespace", "", "network namespace")
	var empty folders
	flags.Var(&empty, "empty", "folder in whose place the program sees an empty one; may be repeated")
	bpf := flags.String("bpf", "", "folder on which a BPF file system is mounted; none where empty")
	top := flags.String("cgroup-top", "", "folder on which the cgroup hierarchy is mounted; none where empty")
	cgroup := flags.String("cgroup", "", "name of a cgroup; it is mounted on the folder <cgroup-top>.own")
	sys := flags.Bool("sys", false, "show the devices of the network namespace in /sys")
	devices := flags.String("wireguard", "", "folder that is seen as /run/wireguard; none where empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	command := flags.Args()
	if *namespace == "" || (*top == "") != (*cgroup == "") || len(command) == 0 {
		return errors.New("usage: enter -namespace N [-empty FOLDER]… [-bpf FOLDER] [-cgroup-top FOLDER -cgroup NAME] -- CMD…")
	}
	if !ours.MatchString(*namespace) {
		return fmt.Errorf("%q is no network namespace of the lab", *namespace)
	}
	runtime.LockOSThread()
	if err := ownMounts(); err != nil {
		return err
	}
	if *bpf != "" {
		if err := os.MkdirAll(*bpf, 0o700); err != nil {
			return err
		}
		if err := mount("bpf", *bpf, "bpf"); err != nil {
			return err
		}
	}
	if *top != "" {
		if err := ownCgroup(*top, *cgroup); err != nil {
			return err
		}
	}
	for _, folder := range empty {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
		if err := mount("tmpfs", folder, "tmpfs"); err != nil {
			return err
		}
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
	return join(*namespace, func() error {
		if *sys {
			if err := mount("sysfs", "/sys", "sysfs"); err != nil {
				return err
			}
		}
		return unix.Exec(program, command, os.Environ())
	})
}

// ownCgroup mounts the hierarchy on a folder, and a cgroup of the program's own beside it.
func ownCgroup(top, name string) error {
	own := top + ".own"
	for _, folder := range []string{top, own} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	if err := mount("none", top, "cgroup2"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(top, name), 0o755); err != nil {
		return err
	}
	return bind(filepath.Join(top, name), own)
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
