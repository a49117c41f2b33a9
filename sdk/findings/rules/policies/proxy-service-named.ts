import type { PolicySource, Snapshot } from "../../../reachability";
import { describeRef, isCiliumProxy } from "../../../reachability";
import { controls } from "../../controls";
import { listOf, mapOf, nameOf, textOf, type Fields } from "../../plain";
import { policyObjects } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** The Service of a Gateway or an Ingress of Cilium's has a placeholder for an endpoint (cilium/cilium#40538). */
export const proxyServiceNamed: Rule = {
  id: "proxy-service-named",
  title: "A rule names the Service of Cilium's ingress proxy, which no policy sees",
  severity: "medium",
  why: "Traffic to a Gateway or an Ingress of Cilium's goes to Envoy on the node, which has the identity ingress; the Service's endpoint is a placeholder address.",
  description: "No `toServices` names a Service that Cilium creates for a Gateway or an Ingress.",
  remediation: "Allow the entity in place of the Service: `toEntities: [ingress]`.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow],
  check: checkServices,
};

function* checkServices(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  if (!snapshot.profile.servesIngress) return;
  for (const { origin } of policyObjects(snapshot)) {
    if (origin.dialect !== "cilium") continue;
    const found = namedIn(origin).flatMap(({ path, entry }) => proxiesOf(entry, path, snapshot));
    if (found.length === 0) continue;
    yield aboutPolicy(proxyServiceNamed, origin, {
      message: `${describeRef(origin)} names the Service of Cilium's ingress proxy in toServices, which opens nothing`,
      because: [...new Set(found)],
      fix: "Put a rule with toEntities: [ingress] in place of toServices; one rule cannot have toServices and another peer.",
    });
  }
}

/** Every entry of `toServices` with its path. */
function namedIn({ object }: PolicySource): { path: string; entry: Fields }[] {
  const specs: [string, unknown][] = [
    ["spec", object.spec],
    ...listOf(object["specs"]).map((spec, index): [string, unknown] => [`specs[${index}]`, spec]),
  ];
  return specs.flatMap(([at, spec]) =>
    ["egress", "egressDeny"].flatMap((section) =>
      listOf(mapOf(spec)[section]).flatMap((rule, number) =>
        listOf(mapOf(rule)["toServices"]).map((entry, index) => ({
          path: `${at}.${section}[${number}].toServices[${index}]`,
          entry: mapOf(entry),
        })),
      ),
    ),
  );
}

/** Why an entry is about Cilium's proxy; nothing where it is about some other Service too. */
function proxiesOf(entry: Fields, path: string, snapshot: Snapshot): string[] {
  const byName = mapOf(entry["k8sService"]);
  const bySelector = mapOf(entry["k8sServiceSelector"]);
  const namespace = textOf(byName["namespace"]) ?? textOf(bySelector["namespace"]);
  const inScope = snapshot.services.filter((service) => !namespace || service.namespace === namespace);
  const name = textOf(byName["serviceName"]);
  if (name !== undefined) {
    const read = inScope.filter((service) => service.name === name);
    if (read.length === 0) return isCreated(name, namespace, snapshot) ? [reason(path, `${nameOf(name) ?? "it"}`)] : [];
    return read.every(isCiliumProxy) ? [reason(path, list(read.map(serviceText)))] : [];
  }
  const labels = Object.entries(mapOf(mapOf(bySelector["selector"])["matchLabels"]));
  if (labels.length === 0 || listOf(mapOf(bySelector["selector"])["matchExpressions"]).length > 0) return [];
  const selected = inScope.filter(({ labelSet }) =>
    labels.every(([key, value]) => labelSet.values[key.replace(/^(k8s|any):/, "")] === value),
  );
  if (selected.length === 0) {
    // Cilium labels the Service of a Gateway by its name
    const gateway = labels.find(([key]) => /gateway-name$|owning-gateway$/.test(key))?.[1];
    const created = textOf(gateway);
    return created !== undefined && isCreated(`cilium-gateway-${created}`, namespace, snapshot)
      ? [reason(path, `cilium-gateway-${nameOf(created) ?? ""}`)]
      : [];
  }
  return selected.every(isCiliumProxy) ? [reason(path, list(selected.map(serviceText)))] : [];
}

function reason(path: string, service: string): string {
  return `${path} names Service ${service}, behind which is Cilium's Envoy: policies see the entity ingress`;
}

function serviceText({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

/** Whether a Gateway or an Ingress of the snapshot makes Cilium create a Service of this name. */
function isCreated(service: string, namespace: string | undefined, snapshot: Snapshot): boolean {
  return snapshot.others.some(({ object }) => {
    const { name, namespace: home = "default" } = object.metadata ?? {};
    if (namespace && textOf(home) !== namespace) return false;
    const spec = mapOf(object.spec);
    if (object.kind === "Gateway") {
      return spec["gatewayClassName"] === "cilium" && service === `cilium-gateway-${String(name)}`;
    }
    return (
      object.kind === "Ingress" && spec["ingressClassName"] === "cilium" && service === `cilium-ingress-${String(name)}`
    );
  });
}
