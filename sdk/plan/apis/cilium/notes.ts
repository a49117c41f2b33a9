/** What Cilium cannot express of a declaration, and what its users have to know. */
import { Entity, PolicyMode } from "../../declaration";
import { heldNamespaces } from "../../halves";
import { metadataServices } from "../../metadata-services";
import type { Model, ModelFlow } from "../../model";
import type { Shortfalls } from "../../unsupported";
import { versionAtLeast } from "../../versions";

/** While a namespace is audited everything passes there that no explicit deny stops: never silent. */
export function noteAudit(model: Model, shortfalls: Shortfalls): void {
  for (const namespace of heldNamespaces(model, PolicyMode.Audit)) {
    shortfalls.note(
      "audit-open",
      ["namespaces", namespace.name],
      "In mode audit everything passes but metadata endpoints: denyExternal and the boundaries of tenants wait for mode enforce.",
      'Look at what passes with the match type "all", replay it, and enforce.',
    );
  }
}

export function noteHostNetwork(model: Model, shortfalls: Shortfalls): void {
  for (const flow of model.flows) {
    if (flow.to.kind === "metadata") {
      shortfalls.note(
        "metadata-service-on-node",
        flow.path,
        "To Cilium a credential service on the host network is the node: the port is open on the pod's own node as a whole.",
        "Keep that port of the nodes free of anything else.",
      );
    }
    if (opensNodeServices(flow)) {
      shortfalls.note(
        "metadata-service-on-node",
        flow.path,
        "Credential services of the cloud on the host network (EKS Pod Identity, the GKE metadata server) are the node to Cilium, and their ports are open with the node's.",
        "Name other ports where such a service runs, or a workload instead of the nodes.",
      );
    }
    for (const end of [flow.from, flow.to]) {
      if (end.kind !== "workload" || !end.workload.hostNetwork) continue;
      shortfalls.note(
        "host-network-not-enforced",
        flow.path,
        "A workload on the host network has the identity of its node: as a peer it stands for every node, and its own side of the flow is not enforced.",
        "Move it off the host network where that matters.",
      );
    }
  }
}

/** Whether a flow to the nodes includes a port on which a credential service listens there. */
function opensNodeServices({ to, ports }: ModelFlow): boolean {
  const isNode =
    (to.kind === "entity" && to.entity === Entity.Nodes) || (to.kind === "workload" && to.workload.hostNetwork);
  const services = Object.values(metadataServices).flatMap((service) => service.ports);
  return (
    isNode &&
    ports.some((port) =>
      services.some(
        ({ protocol, from, to: last }) => protocol === port.protocol && from <= port.to && port.from <= last,
      ),
    )
  );
}

/** `**.` for any depth came with Cilium 1.19; before, it matched one label like `*.`. */
export function noteNewPatterns(model: Model, shortfalls: Shortfalls): void {
  if (model.enforcerVersion === undefined || versionAtLeast(model.enforcerVersion, 1, 19)) return;
  for (const flow of model.flows) {
    if (flow.to.kind !== "fqdn" || !flow.to.name.startsWith("**.")) continue;
    shortfalls.lost(
      "pattern-needs-newer-enforcer",
      flow.path,
      "A pattern that begins with **. matches names of any depth from Cilium 1.19 on; before, of one label only.",
      "Name the hosts, or use Cilium 1.19 or newer.",
    );
  }
}
