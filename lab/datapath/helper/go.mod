module pulumi-cluster-security.lab/datapath-helper

go 1.26

require (
	golang.org/x/net v0.57.0
	golang.org/x/sys v0.47.0
	golang.zx2c4.com/wireguard v0.0.0-20231211153847-12269c276173
)

require (
	golang.org/x/crypto v0.54.0 // indirect
	golang.zx2c4.com/wintun v0.0.0-20230126152724-0fa3db229ce2 // indirect
)
