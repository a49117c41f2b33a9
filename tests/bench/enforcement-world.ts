/** What the cost of enforcement is measured on: the web application's example and a flow that it declares. */
import type { LabCluster, LabObject, LabProbe } from "../../lab/datapath/index";
import { declaredBy } from "../../lab/examples/index";
import { declaredWorld } from "../enforcement/declared";
import { putUp } from "../enforcement/world";
import type { Variant } from "./enforcement-costs";
import { manyPolicies } from "./enforcement-costs";

const [webApp] = declaredBy("web-app");

/** A declared flow between two pods of one node. */
export const measuredFlow: LabProbe = { from: "app/frontend", to: "app/backend-api", port: 3000, protocol: "tcp" };

/** Has a name of its own, so that nothing else's policies meet it. */
export const pulsedFlow: LabProbe = { from: "pulse/from", to: "pulse/to", port: 7000, protocol: "udp" };

export const closingPolicy: LabObject = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "default-deny-all", namespace: "pulse" },
  spec: { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
};

/** `many` policies on top of the example's. */
export function variants(many: number): readonly [Variant, Variant, Variant] {
  const { policies } = declaredWorld(webApp.declaration, webApp.applications);
  const more = manyPolicies(many, { namespace: "app", labels: { app: "backend-api" }, port: 3000 });
  return [
    { name: "no policies", policies: [] },
    { name: "web-app", policies },
    { name: `web-app and ${many} more`, policies: [...policies, ...more] },
  ];
}

/** Makes the pods that the flows need. */
export async function putUpMeasured(cluster: LabCluster): Promise<void> {
  const declared = declaredWorld(webApp.declaration, webApp.applications);
  const pulse = ["from", "to"].map((name) => ({ namespace: "pulse", name }));
  await putUp(cluster, { namespaces: declared.namespaces, pods: [...declared.pods, ...pulse] });
}
