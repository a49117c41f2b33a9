package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// get asks an HTTP server inside a network namespace.
func get(namespace, address, path string) (int, string, error) {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (connection net.Conn, err error) {
			err = within(namespace, func() (err error) {
				connection, err = net.DialTimeout("tcp", address, 2*time.Second)
				return err
			})
			return connection, err
		},
	}}
	answer, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}
