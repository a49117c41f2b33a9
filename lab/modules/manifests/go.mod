// The modules whose releases hold the CustomResourceDefinitions and charts that the lab installs. Nothing is compiled
// here: the versions are pinned by this file and their content by go.sum.
module pulumi-cluster-security.lab/manifests

go 1.26

require (
	github.com/cert-manager/cert-manager v1.18.2
	github.com/cilium/cilium v1.20.2
	github.com/external-secrets/external-secrets v0.18.2
	github.com/projectcalico/calico v1.11.0-cni-plugin.0.20250813170300-a0db560f0520
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.31.1
	istio.io/istio v0.0.0-20260827124520-eed52ebb66ad
	sigs.k8s.io/gateway-api v1.6.1
	sigs.k8s.io/network-policy-api v0.2.0
)
