// Reads files of tests with netassert's own reader, which the test copies beside this file.
package main

import (
	"fmt"
	"os"

	"pulumi-cluster-security.tests/netassert-reader/data"
)

func main() {
	for _, file := range os.Args[1:] {
		tests, err := data.ReadTestsFromFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, test := range tests {
			fmt.Println(test.Name, test.Protocol, test.TargetPort, test.ExitCode)
		}
	}
}
