import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { SecurityPosture } from "../../sdk/index";
import { ClusterSecurity, Dialect, flow, namespace, tcp, workload } from "../../sdk/index";
import { deploy } from "../support/workloads";

const storefront = workload("shop/storefront", { ports: [tcp(3000)] });
const payments = workload("shop/payments", { ports: [tcp(8443)] });
const invoices = workload("billing/invoices", { ports: [tcp(8080)] });
const reports = workload("analytics/reports", { ports: [tcp(8080)] });

/**
 * Four holes, each of which looks harmless on its own:
 *
 * 1. `billing` has a policy called `default-deny-all` that allows everything (`ingress: [{}]` means "from anywhere").
 * 2. `analytics` has no policy at all.
 * 3. `allow-payments-external-apis` opens 0.0.0.0/0 and with it every metadata endpoint.
 * 4. `allow-storefront-time-servers` opens 169.254.0.0/16 again, which the policy beside it takes care to leave out.
 */
export async function program(): Promise<{ posture: pulumi.Output<SecurityPosture> }> {
  const security = new ClusterSecurity("insecure", {
    dialect: Dialect.Kubernetes,
    namespaces: [namespace("shop")],
    workloads: [storefront, payments],
    flows: [flow("storefront").to("payments").on(tcp(8443)).because("customers pay").ownedBy("shop")],
  });

  const billing = createNamespace("billing");
  const billingDeny = policy("billing", "default-deny-all", [billing], {
    podSelector: {},
    policyTypes: ["Ingress", "Egress"],
    ingress: [{}],
    egress: [{}],
  });
  const analytics = createNamespace("analytics");

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

  const shopReady: pulumi.Resource[] = [security, paymentsHole, careful, careless];
  deploy(storefront, { dependsOn: shopReady });
  deploy(payments, { dependsOn: shopReady });
  deploy(invoices, { dependsOn: [billingDeny] });
  deploy(reports, { dependsOn: [analytics] });
  return { posture: security.posture };
}

function createNamespace(name: string): k8s.core.v1.Namespace {
  return new k8s.core.v1.Namespace(name, { metadata: { name } });
}

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
