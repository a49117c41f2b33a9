package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
	"golang.zx2c4.com/wireguard/tun"
)

// wireguard is a WireGuard device in user space – the protocol's own implementation in Go – for a node whose kernel has
// none. It is configured over FOLDER/DEVICE.sock as the cross-platform userspace protocol says
// (https://www.wireguard.com/xplatform/), and ends when it is killed.
func wireguard(args []string) error {
	if len(args) != 3 || !ours.MatchString(args[0]) {
		return errors.New("usage: wireguard NAMESPACE DEVICE FOLDER")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// the whole process must be in the namespace, not a thread: the implementation opens sockets where it likes
	runtime.LockOSThread()
	return join(args[0], func() error {
		return unix.Exec(self, append([]string{self, "wireguard-here"}, args[1:]...), os.Environ())
	})
}

// wireguardHere does what `wireguard` says in the network namespace that the process is in.
func wireguardHere(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: wireguard-here DEVICE FOLDER")
	}
	name, folder := args[0], args[1]
	link, err := tun.CreateTUN(name, device.DefaultMTU)
	if err != nil {
		return fmt.Errorf("making the TUN device %s: %w", name, err)
	}
	node := device.NewDevice(link, conn.NewDefaultBind(), device.NewLogger(device.LogLevelError, name+" "))
	defer node.Close()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	path := filepath.Join(folder, name+".sock")
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	go func() {
		<-node.Wait()
		socket.Close()
	}()
	for {
		connection, err := socket.Accept()
		if err != nil {
			return err
		}
		go node.IpcHandle(connection)
	}
}
