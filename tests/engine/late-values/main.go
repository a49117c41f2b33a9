// A declaration that takes an output of a resource of the same update in every place that has one.
package main

import (
	security "example.com/pulumi-pulumi-cluster-security/sdk/go/pulumiclustersecurity"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(late)
}

func late(ctx *pulumi.Context) error {
	home := metav1.ObjectMetaArgs{Namespace: pulumi.String("default")}

	// stands where a cloud's resource would: what it knows once it is there is a value of the declaration
	network, err := corev1.NewConfigMap(ctx, "network", &corev1.ConfigMapArgs{Metadata: home})
	if err != nil {
		return err
	}
	// nobody knows it before the network is there
	text := func(value string) pulumi.StringOutput {
		return network.ID().ApplyT(func(pulumi.ID) string { return value }).(pulumi.StringOutput)
	}
	ports := func(number float64) []security.PortDeclarationArgs {
		known := network.ID().ApplyT(func(pulumi.ID) float64 { return number }).(pulumi.Float64Output)
		return []security.PortDeclarationArgs{{Port: known}}
	}

	dialect := security.DialectCilium
	scope := security.DenyScopeDeclaredNamespaces
	web, db := "web", "db"
	component, err := security.NewClusterSecurity(ctx, "late", &security.ClusterSecurityArgs{
		Dialect:   &dialect,
		DenyScope: &scope,
		Cluster:   &security.ClusterFactsArgs{PodCidrs: pulumi.StringArray{text("10.244.0.0/16")}},
		Namespaces: []security.NamespaceDeclarationArgs{
			{Name: "late", Labels: pulumi.StringMap{"network": text("main")}},
		},
		Workloads: []security.WorkloadDeclarationArgs{
			{
				Namespace:      "late",
				Name:           web,
				Labels:         pulumi.StringMap{"app": pulumi.String(web), "network": text("main")},
				ServiceAccount: text(setting(ctx, "account", "orders")),
			},
			{Namespace: "late", Name: db, Ports: ports(5432)},
		},
		Flows: []security.FlowDeclarationArgs{
			{
				From:   security.PeerDeclarationArgs{Workload: &web},
				To:     security.PeerDeclarationArgs{Workload: &db},
				Ports:  ports(5432),
				Reason: pulumi.String("orders"),
				Owner:  text(setting(ctx, "owner", "shop")),
			},
			{
				From:   security.PeerDeclarationArgs{Workload: &web},
				To:     security.PeerDeclarationArgs{Cidr: text(setting(ctx, "range", "10.1.0.0/16"))},
				Ports:  []security.PortDeclarationArgs{{Port: pulumi.Float64(443)}},
				Reason: text("prices"),
				Owner:  pulumi.String("shop"),
			},
			{
				From:   security.PeerDeclarationArgs{Workload: &web},
				To:     security.PeerDeclarationArgs{Fqdn: text("rates.example.com")},
				Ports:  ports(443),
				Reason: pulumi.String("rates"),
				Owner:  pulumi.String("shop"),
			},
			{
				From: security.PeerDeclarationArgs{Workload: &web},
				To: security.PeerDeclarationArgs{
					Cidr:   pulumi.String("192.0.2.0/24"),
					Except: pulumi.StringArray{text("192.0.2.128/25")},
				},
				Ports:  []security.PortDeclarationArgs{{Port: pulumi.Float64(443)}},
				Reason: pulumi.String("partners"),
				Owner:  pulumi.String("shop"),
			},
		},
	})
	if err != nil {
		return err
	}
	last := &corev1.ConfigMapArgs{Metadata: home}
	_, err = corev1.NewConfigMap(ctx, "last", last, pulumi.DependsOn([]pulumi.Resource{component}))
	return err
}

// setting returns what the stack's configuration says, which may be an empty text.
func setting(ctx *pulumi.Context, key, otherwise string) string {
	value, err := config.Try(ctx, key)
	if err != nil {
		return otherwise
	}
	return value
}
