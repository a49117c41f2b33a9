// The bookshop: two services, one flow between them, and one to where customers pay.
package main

import (
	security "example.com/pulumi-pulumi-cluster-security/sdk/go/pulumiclustersecurity"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(bookshop)
}

func bookshop(ctx *pulumi.Context) error {
	payments := config.Get(ctx, "payments")
	if payments == "" {
		payments = "198.51.100.0/24"
	}

	// stands where a cloud's resource would: its output is a value of the declaration
	partners, err := corev1.NewConfigMap(ctx, "partners", &corev1.ConfigMapArgs{
		Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("partners"), Namespace: pulumi.String("default")},
		Data:     pulumi.StringMap{"payments": pulumi.String(payments)},
	})
	if err != nil {
		return err
	}

	dialect := security.DialectKubernetes
	protection, err := security.NewClusterSecurity(ctx, "security", &security.ClusterSecurityArgs{
		Dialect:    &dialect,
		Cluster:    &security.ClusterFactsArgs{PodCidrs: pulumi.ToStringArray([]string{"10.244.0.0/16"})},
		Namespaces: []security.NamespaceDeclarationArgs{{Name: "bookshop"}},
		Workloads: []security.WorkloadDeclarationArgs{
			{Namespace: "bookshop", Name: "frontend", Ports: port(3000)},
			{Namespace: "bookshop", Name: "backend", Ports: port(8080)},
		},
		Flows: []security.FlowDeclarationArgs{
			{
				From:   workload("frontend"),
				To:     workload("backend"),
				Ports:  port(8080),
				Reason: pulumi.String("pages show books"),
				Owner:  pulumi.String("web"),
			},
			{
				From:   workload("backend"),
				To:     security.PeerDeclarationArgs{Cidr: partners.Data.MapIndex(pulumi.String("payments"))},
				Ports:  port(443),
				Reason: pulumi.String("customers pay"),
				Owner:  pulumi.String("shop"),
			},
		},
	})
	if err != nil {
		return err
	}

	for name, containerPort := range map[string]int{"frontend": 3000, "backend": 8080} {
		if err := deploy(ctx, name, containerPort, protection); err != nil {
			return err
		}
	}
	ctx.Export("policies", protection.Policies)
	return nil
}

func port(number float64) []security.PortDeclarationArgs {
	return []security.PortDeclarationArgs{{Port: pulumi.Float64(number)}}
}

func workload(name string) security.PeerDeclarationArgs {
	return security.PeerDeclarationArgs{Workload: &name}
}

// deploy starts a service behind what protects it.
func deploy(ctx *pulumi.Context, name string, port int, after pulumi.Resource) error {
	labels := pulumi.StringMap{"app": pulumi.String(name)}
	container := corev1.ContainerArgs{
		Name:    pulumi.String(name),
		Image:   pulumi.String("busybox:1.37"),
		Command: pulumi.ToStringArray([]string{"sleep", "infinity"}),
		Ports:   corev1.ContainerPortArray{corev1.ContainerPortArgs{ContainerPort: pulumi.Int(port)}},
	}
	_, err := appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: metav1.ObjectMetaArgs{
			Name:      pulumi.String(name),
			Namespace: pulumi.String("bookshop"),
			Labels:    labels,
		},
		Spec: appsv1.DeploymentSpecArgs{
			Selector: metav1.LabelSelectorArgs{MatchLabels: labels},
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: labels},
				Spec:     corev1.PodSpecArgs{Containers: corev1.ContainerArray{container}},
			},
		},
	}, pulumi.DependsOn([]pulumi.Resource{after}))
	return err
}
