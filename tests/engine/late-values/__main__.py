"""A declaration that takes an output of a resource of the same update in every place that has one."""

import pulumi
import pulumi_kubernetes as k8s
import pulumi_pulumi_cluster_security as cluster_security

config = pulumi.Config()
account = config.get("account") or "orders"
address_range = config.get("range") or "10.1.0.0/16"
owner = config.get("owner", "shop")

# stands where a cloud's resource would: what it knows once it is there is a value of the declaration
network = k8s.core.v1.ConfigMap("network", metadata={"namespace": "default"})


def late(value):
    """Nobody knows it before the network is there."""
    return network.id.apply(lambda _: value)


security = cluster_security.ClusterSecurity(
    "late",
    dialect=cluster_security.Dialect.CILIUM,
    deny_scope=cluster_security.DenyScope.DECLARED_NAMESPACES,
    cluster={"pod_cidrs": [late("10.244.0.0/16")]},
    namespaces=[{"name": "late", "labels": {"network": late("main")}}],
    workloads=[
        {
            "namespace": "late",
            "name": "web",
            "labels": {"app": "web", "network": late("main")},
            "service_account": late(account),
        },
        {"namespace": "late", "name": "db", "ports": [{"port": late(5432)}]},
    ],
    flows=[
        {
            "from_": {"workload": "web"},
            "to": {"workload": "db"},
            "ports": [{"port": late(5432)}],
            "reason": "orders",
            "owner": late(owner),
        },
        {
            "from_": {"workload": "web"},
            "to": {"cidr": late(address_range)},
            "ports": [{"port": 443}],
            "reason": late("prices"),
            "owner": "shop",
        },
        {
            "from_": {"workload": "web"},
            "to": {"fqdn": late("rates.example.com")},
            "ports": [{"port": late(443)}],
            "reason": "rates",
            "owner": "shop",
        },
        {
            "from_": {"workload": "web"},
            "to": {"cidr": "192.0.2.0/24", "except_": [late("192.0.2.128/25")]},
            "ports": [{"port": 443}],
            "reason": "partners",
            "owner": "shop",
        },
    ],
)

k8s.core.v1.ConfigMap(
    "last",
    metadata={"namespace": "default"},
    opts=pulumi.ResourceOptions(depends_on=[security]),
)
