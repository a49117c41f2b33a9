"""The bookshop: two services, one flow between them, and one to where customers pay."""

import pulumi
import pulumi_kubernetes as k8s
import pulumi_pulumi_cluster_security as cluster_security

payments = pulumi.Config().get("payments") or "198.51.100.0/24"

# stands where a cloud's resource would: its output is a value of the declaration
partners = k8s.core.v1.ConfigMap(
    "partners",
    metadata={"name": "partners", "namespace": "default"},
    data={"payments": payments},
)

security = cluster_security.ClusterSecurity(
    "security",
    dialect=cluster_security.Dialect.KUBERNETES,
    cluster={"pod_cidrs": ["10.244.0.0/16"]},
    namespaces=[{"name": "bookshop"}],
    workloads=[
        {"namespace": "bookshop", "name": "frontend", "ports": [{"port": 3000}]},
        {"namespace": "bookshop", "name": "backend", "ports": [{"port": 8080}]},
    ],
    flows=[
        {
            "from_": {"workload": "frontend"},
            "to": {"workload": "backend"},
            "ports": [{"port": 8080}],
            "reason": "pages show books",
            "owner": "web",
        },
        {
            "from_": {"workload": "backend"},
            "to": {"cidr": partners.data["payments"]},
            "ports": [{"port": 443}],
            "reason": "customers pay",
            "owner": "shop",
        },
    ],
)

for name, port in {"frontend": 3000, "backend": 8080}.items():
    labels = {"app": name}
    container = {
        "name": name,
        "image": "busybox:1.37",
        "command": ["sleep", "infinity"],
        "ports": [{"container_port": port}],
    }
    k8s.apps.v1.Deployment(
        name,
        metadata={"name": name, "namespace": "bookshop", "labels": labels},
        spec={
            "selector": {"match_labels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
        opts=pulumi.ResourceOptions(depends_on=[security]),
    )

pulumi.export("policies", security.policies)
