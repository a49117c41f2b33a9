/**
 * Four holes, each of which looks harmless on its own. The policy pack blocks the preview.
 *
 * 1. `billing` has a policy called `default-deny-all` that allows everything (`ingress: [{}]` means "from anywhere").
 * 2. `analytics` has no policy at all.
 * 3. `allow-payments-external-apis` opens 0.0.0.0/0 and with it every metadata endpoint.
 * 4. `allow-storefront-time-servers` opens 169.254.0.0/16 again, which the policy beside it takes care to leave out.
 */
import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { ClusterSecurity, Dialect, flow, namespace, tcp, workload } from "pulumi-cluster-security";

const security = new ClusterSecurity("insecure", {
  dialect: Dialect.Kubernetes,
  namespaces: [namespace("shop")],
  workloads: [workload("shop/storefront", { ports: [tcp(3000)] }), workload("shop/payments", { ports: [tcp(8443)] })],
  flows: [flow("storefront").to("payments").on(tcp(8443)).because("customers pay").ownedBy("shop")],
});

const billing = new k8s.core.v1.Namespace("billing", { metadata: { name: "billing" } });
const billingDeny = policy("billing", "default-deny-all", [billing], {
  podSelector: {},
  policyTypes: ["Ingress", "Egress"],
  ingress: [{}],
  egress: [{}],
});

const analytics = new k8s.core.v1.Namespace("analytics", { metadata: { name: "analytics" } });

const paymentsHole = policy("shop", "allow-payments-external-apis", [security], {
  podSelector: { matchLabels: { app: "payments" } },
  policyTypes: ["Egress"],
  egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0" } }], ports: [{ port: 443 }, { port: 80 }] }],
});

const careful = policy("shop", "allow-storefront-external-apis", [security], {
  podSelector: { matchLabels: { app: "storefront" } },
  policyTypes: ["Egress"],
  egress: [{ to: [{ ipBlock: { cidr: "0.0.0.0/0", except: ["169.254.169.254/32"] } }], ports: [{ port: 443 }] }],
});
const careless = policy("shop", "allow-storefront-time-servers", [security], {
  podSelector: { matchLabels: { app: "storefront" } },
  policyTypes: ["Egress"],
  egress: [{ to: [{ ipBlock: { cidr: "169.254.0.0/16" } }] }],
});

const shopReady = [security, paymentsHole, careful, careless];
deployment("shop", "storefront", 3000, shopReady);
deployment("shop", "payments", 8443, shopReady);
deployment("billing", "invoices", 8080, [billingDeny]);
deployment("analytics", "reports", 8080, [analytics]);

export const policies = security.policies;

function policy(
  home: string,
  name: string,
  dependsOn: pulumi.Resource[],
  spec: k8s.types.input.networking.v1.NetworkPolicySpec,
): k8s.networking.v1.NetworkPolicy {
  return new k8s.networking.v1.NetworkPolicy(
    `${home}-${name}`,
    { metadata: { name, namespace: home }, spec },
    { dependsOn },
  );
}

function deployment(home: string, name: string, containerPort: number, dependsOn: pulumi.Resource[]): void {
  const labels = { app: name };
  const container = { name, image: "busybox:1.37", command: ["sleep", "infinity"], ports: [{ containerPort }] };
  new k8s.apps.v1.Deployment(
    `${home}-${name}`,
    {
      metadata: { name, namespace: home, labels },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    { dependsOn },
  );
}
