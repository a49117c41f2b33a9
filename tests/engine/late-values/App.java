// A declaration that takes an output of a resource of the same update in every place that has one.
package bookshop;

import com.pulumi.Context;
import com.pulumi.Pulumi;
import com.pulumi.core.Output;
import com.pulumi.kubernetes.core.v1.ConfigMap;
import com.pulumi.kubernetes.core.v1.ConfigMapArgs;
import com.pulumi.kubernetes.meta.v1.inputs.ObjectMetaArgs;
import com.pulumi.pulumiclustersecurity.ClusterSecurity;
import com.pulumi.pulumiclustersecurity.ClusterSecurityArgs;
import com.pulumi.pulumiclustersecurity.enums.DenyScope;
import com.pulumi.pulumiclustersecurity.enums.Dialect;
import com.pulumi.pulumiclustersecurity.inputs.ClusterFactsArgs;
import com.pulumi.pulumiclustersecurity.inputs.FlowDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.NamespaceDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.PeerDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.PortDeclarationArgs;
import com.pulumi.pulumiclustersecurity.inputs.WorkloadDeclarationArgs;
import com.pulumi.resources.CustomResourceOptions;
import java.util.List;
import java.util.Map;

public final class App {
    private App() {}

    public static void main(String[] args) {
        Pulumi.run(App::late);
    }

    private static void late(Context ctx) {
        var home = ConfigMapArgs.builder().metadata(ObjectMetaArgs.builder().namespace("default").build()).build();

        // stands where a cloud's resource would: what it knows once it is there is a value of the declaration
        var network = new ConfigMap("network", home);
        var config = ctx.config();

        var component = new ClusterSecurity("late", ClusterSecurityArgs.builder()
            .dialect(Dialect.Cilium)
            .denyScope(DenyScope.DeclaredNamespaces)
            .cluster(ClusterFactsArgs.builder().podCidrs(known(network, List.of("10.244.0.0/16"))).build())
            .namespaces(NamespaceDeclarationArgs.builder()
                .name("late")
                .labels(known(network, Map.of("network", "main")))
                .build())
            .workloads(
                WorkloadDeclarationArgs.builder()
                    .namespace("late")
                    .name("web")
                    .labels(known(network, Map.of("app", "web", "network", "main")))
                    .serviceAccount(known(network, config.get("account").orElse("orders")))
                    .build(),
                WorkloadDeclarationArgs.builder().namespace("late").name("db").ports(late(network, 5432)).build())
            .flows(
                FlowDeclarationArgs.builder()
                    .from(workload("web"))
                    .to(workload("db"))
                    .ports(late(network, 5432))
                    .reason("orders")
                    .owner(known(network, config.get("owner").orElse("shop")))
                    .build(),
                FlowDeclarationArgs.builder()
                    .from(workload("web"))
                    .to(PeerDeclarationArgs.builder()
                        .cidr(known(network, config.get("range").orElse("10.1.0.0/16")))
                        .build())
                    .ports(port(443))
                    .reason(known(network, "prices"))
                    .owner("shop")
                    .build(),
                FlowDeclarationArgs.builder()
                    .from(workload("web"))
                    .to(PeerDeclarationArgs.builder().fqdn(known(network, "rates.example.com")).build())
                    .ports(late(network, 443))
                    .reason("rates")
                    .owner("shop")
                    .build(),
                FlowDeclarationArgs.builder()
                    .from(workload("web"))
                    .to(PeerDeclarationArgs.builder()
                        .cidr("192.0.2.0/24")
                        .except(known(network, List.of("192.0.2.128/25")))
                        .build())
                    .ports(port(443))
                    .reason("partners")
                    .owner("shop")
                    .build())
            .build());
        new ConfigMap("last", home, CustomResourceOptions.builder().dependsOn(component).build());
    }

    /** A value that nobody knows before the network is there. */
    private static <T> Output<T> known(ConfigMap network, T value) {
        return network.id().applyValue(id -> value);
    }

    private static PeerDeclarationArgs workload(String name) {
        return PeerDeclarationArgs.builder().workload(name).build();
    }

    private static PortDeclarationArgs port(double number) {
        return PortDeclarationArgs.builder().port(number).build();
    }

    private static PortDeclarationArgs late(ConfigMap network, double number) {
        return PortDeclarationArgs.builder().port(known(network, number)).build();
    }
}
