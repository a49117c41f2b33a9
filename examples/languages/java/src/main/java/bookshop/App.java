// The bookshop: two services, one flow between them, and one to where customers pay.
package bookshop;

import com.pulumi.Context;
import com.pulumi.Pulumi;
import com.pulumi.core.Output;
import com.pulumi.kubernetes.apps.v1.Deployment;
import com.pulumi.kubernetes.apps.v1.DeploymentArgs;
import com.pulumi.kubernetes.apps.v1.inputs.DeploymentSpecArgs;
import com.pulumi.kubernetes.core.v1.ConfigMap;
import com.pulumi.kubernetes.core.v1.ConfigMapArgs;
import com.pulumi.kubernetes.core.v1.inputs.ContainerArgs;
import com.pulumi.kubernetes.core.v1.inputs.ContainerPortArgs;
import com.pulumi.kubernetes.core.v1.inputs.PodSpecArgs;
import com.pulumi.kubernetes.core.v1.inputs.PodTemplateSpecArgs;
import com.pulumi.kubernetes.meta.v1.inputs.LabelSelectorArgs;
import com.pulumi.kubernetes.meta.v1.inputs.ObjectMetaArgs;
import com.pulumi.pulumiclustersecurity.ClusterSecurity;
import com.pulumi.pulumiclustersecurity.ClusterSecurityArgs;
import com.pulumi.pulumiclustersecurity.enums.Dialect;
import com.pulumi.pulumiclustersecurity.inputs.ClusterFactsArgs;
import com.pulumi.pulumiclustersecurity.inputs.FlowDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.NamespaceDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.PeerDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.PortDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.WorkloadDeclarationArgs;
import com.pulumi.resources.CustomResourceOptions;
import com.pulumi.resources.Resource;
import java.util.Map;

public final class App {
    private App() {}

    public static void main(String[] args) {
        Pulumi.run(App::bookshop);
    }

    private static void bookshop(Context ctx) {
        var payments = ctx.config().get("payments").orElse("198.51.100.0/24");

        // stands where a cloud's resource would: its output is a value of the declaration
        var partners = new ConfigMap("partners", ConfigMapArgs.builder()
            .metadata(ObjectMetaArgs.builder().name("partners").namespace("default").build())
            .data(Map.of("payments", payments))
            .build());

        var protection = new ClusterSecurity("security", ClusterSecurityArgs.builder()
            .dialect(Dialect.Kubernetes)
            .cluster(ClusterFactsArgs.builder().podCidrs("10.244.0.0/16").build())
            .namespaces(NamespaceDeclarationArgs.builder().name("bookshop").build())
            .workloads(service("frontend", 3000), service("backend", 8080))
            .flows(
                FlowDeclarationArgs.builder()
                    .from(workload("frontend"))
                    .to(workload("backend"))
                    .ports(port(8080))
                    .reason("pages show books")
                    .owner("web")
                    .build(),
                FlowDeclarationArgs.builder()
                    .from(workload("backend"))
                    .to(range(partners.data().applyValue(data -> data.get("payments"))))
                    .ports(port(443))
                    .reason("customers pay")
                    .owner("shop")
                    .build()
            )
            .build());

        deploy("frontend", 3000, protection);
        deploy("backend", 8080, protection);
        ctx.export("policies", protection.policies());
    }

    private static WorkloadDeclarationArgs service(String name, int port) {
        return WorkloadDeclarationArgs.builder().namespace("bookshop").name(name).ports(port(port)).build();
    }

    private static PeerDeclarationArgs workload(String name) {
        return PeerDeclarationArgs.builder().workload(name).build();
    }

    private static PeerDeclarationArgs range(Output<String> cidr) {
        return PeerDeclarationArgs.builder().cidr(cidr).build();
    }

    private static PortDeclarationArgs port(double number) {
        return PortDeclarationArgs.builder().port(number).build();
    }

    /** Starts a service behind what protects it. */
    private static void deploy(String name, int port, Resource after) {
        var labels = Map.of("app", name);
        var container = ContainerArgs.builder()
            .name(name)
            .image("busybox:1.37")
            .command("sleep", "infinity")
            .ports(ContainerPortArgs.builder().containerPort(port).build())
            .build();
        new Deployment(name, DeploymentArgs.builder()
            .metadata(ObjectMetaArgs.builder().name(name).namespace("bookshop").labels(labels).build())
            .spec(DeploymentSpecArgs.builder()
                .selector(LabelSelectorArgs.builder().matchLabels(labels).build())
                .template(PodTemplateSpecArgs.builder()
                    .metadata(ObjectMetaArgs.builder().labels(labels).build())
                    .spec(PodSpecArgs.builder().containers(container).build())
                    .build())
                .build())
            .build(), CustomResourceOptions.builder().dependsOn(after).build());
    }
}
