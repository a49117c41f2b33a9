module pulumi-cluster-security.lab/datapath-helper

go 1.26

require (
	golang.org/x/net v0.57.0
	golang.org/x/sys v0.47.0
)
