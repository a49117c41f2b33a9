/** Every policy API that the planner writes. Adding one is its folder and one line here. */
import { Dialect, PolicyMode } from "../declaration";
import type { DraftDocument } from "../documents";
import { withModes } from "../halves";
import type { Model } from "../model";
import type { Shortfalls } from "../unsupported";
import { calico } from "./calico/writer";
import { cilium } from "./cilium/writer";
import { clusterNetworkPolicy } from "./cluster-network-policy/writer";
import { istio } from "./istio/writer";
import { kubernetes } from "./kubernetes/writer";
import type { NetworkPolicyWriter, PolicyWriter } from "./writer";

/** Policy APIs of the network. */
export const networkWriters: Readonly<Record<Dialect, NetworkPolicyWriter>> = {
  [Dialect.Kubernetes]: kubernetes,
  [Dialect.Cilium]: cilium,
  [Dialect.Calico]: calico,
  [Dialect.ClusterNetworkPolicy]: clusterNetworkPolicy,
};

/** The policy API of the mesh. */
export const meshWriter: PolicyWriter = istio;

const writers: readonly PolicyWriter[] = [...Object.values(networkWriters), meshWriter];

/** Policy APIs in which a tenant may write policies for its own namespaces. */
export const tenantWriters: readonly PolicyWriter[] = writers.filter(
  ({ tenantKinds }) => Object.keys(tenantKinds).length > 0,
);

/** The name of a policy as its API accepts it. */
export function policyName({ object }: DraftDocument): string {
  const writer = writers.find(({ group }) => group === object.apiVersion.split("/")[0]);
  return writer?.objectName?.(object) ?? object.metadata.name;
}

/** The network's policies of a declaration, in its policy API. */
export function networkDocuments(declared: Model, shortfalls: Shortfalls): readonly DraftDocument[] {
  const model = asApplied(declared);
  return networkWriters[model.dialect].policies(model, shortfalls);
}

/** An enforcer that only reports does so for every policy: each is written as if it were enforced. */
export function asApplied(model: Model): Model {
  const mayObserve = (mode: PolicyMode): PolicyMode => (mode === PolicyMode.Observe ? mode : PolicyMode.Enforce);
  return model.enforcerAudits ? withModes(model, mayObserve) : model;
}

/** A declaration whose policies are all enforced. */
export function asEnforced(model: Model): Model {
  return withModes(model, () => PolicyMode.Enforce);
}
