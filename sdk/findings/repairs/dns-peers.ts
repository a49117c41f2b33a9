import { ciliumNamespaceLabel, namespaceNameLabel } from "../../reachability/model/namespace-labels";
import { isMap, isScalar, type YAMLMap } from "yaml";
import { addedAfter, lineAt, pairOf, replaced, startOf } from "./edits";
import type { ChangedPath, Repair, Repairer, YamlObject } from "./types";
import { mapAt, mapsAt, specsOf, valueAt } from "./visit";

/** Labels by which people mean the cluster's DNS pods, which carry `k8s-app: kube-dns` (kubeadm, kops, EKS, GKE, AKS, k3s). */
const dnsKeys: ReadonlySet<string> = new Set(["k8s-app", "k8s:k8s-app", "app", "app.kubernetes.io/name", "name"]);
const dnsNames = /^(core-?dns|kube-?dns)$/i;

/**
 * The DNS servers that an egress rule for port 53 means, named so that it fits nobody, or pods of any namespace: they are the
 * pods `k8s-app: kube-dns` of kube-system.
 */
export const dnsPeers: Repairer = function* (each) {
  const home = (each.object["metadata"] as { namespace?: unknown } | null | undefined)?.namespace;
  if (home === "kube-system") return;
  const cilium = each.kind === "CiliumNetworkPolicy" || each.kind === "CiliumClusterwideNetworkPolicy";
  if (!cilium && each.kind !== "NetworkPolicy") return;
  for (const spec of specsOf(each)) {
    for (const rule of mapsAt(spec, "egress")) {
      if (!isForDns(rule, cilium)) continue;
      for (const peer of mapsAt(rule, cilium ? "toEndpoints" : "to")) {
        if (cilium) yield* ciliumPeer(each, peer);
        else yield* kubernetesPeer(each, peer);
      }
    }
  }
};

type Found = Omit<Repair, "file">;

function* kubernetesPeer(each: YamlObject, peer: YAMLMap): Iterable<Found> {
  const pods = pairOf(peer, "podSelector");
  const labels = mapAt(mapAt(peer, "podSelector"), "matchLabels");
  if (pods === undefined || labels === undefined || labels.items.length !== 1) return;
  const namespaces = pairOf(peer, "namespaceSelector");
  const right = isMap(namespaces?.value) ? isKubeSystem(namespaces.value) : false;
  const kubeSystem = { matchLabels: { [namespaceNameLabel]: "kube-system" } };
  if (namespaces === undefined && isKubeDns(labels)) {
    yield {
      line: lineAt(each.text, startOf(pods)),
      rule: "dns-cut",
      what: "names the DNS pods of kube-system, not of its own namespace",
      alone: true,
      mayOpen: true,
      mayClose: toNoServer,
      edits: addedAfter(each.text, peer, pods, "namespaceSelector", kubeSystem),
    };
  }
  if (isMap(namespaces?.value) && namespaces.value.items.length === 0 && isKubeDns(labels)) {
    yield {
      line: lineAt(each.text, startOf(namespaces)),
      rule: "spoofable-peer",
      what: "names the DNS pods of kube-system, not those with the same labels in any namespace",
      alone: true,
      mayClose: toNoServer,
      edits: replaced(namespaces.value, `{ matchLabels: { ${namespaceNameLabel}: kube-system } }`),
    };
  }
  if (right) yield* wrongLabel(each, labels);
}

function* ciliumPeer(each: YamlObject, peer: YAMLMap): Iterable<Found> {
  const labels = mapAt(peer, "matchLabels");
  const [first] = labels?.items ?? [];
  if (labels === undefined || first === undefined) return;
  const named = labels.items.map(({ key }) => String(isScalar(key) ? key.value : ""));
  const inKubeSystem = named.some(
    (key) => key.endsWith("io.kubernetes.pod.namespace") && valueAt(labels, key) === "kube-system",
  );
  if (labels.items.length === 2 && inKubeSystem) yield* wrongLabel(each, labels);
  const pair = pairOf(labels, named[0] ?? "");
  if (labels.items.length !== 1 || pair === undefined || !isKubeDns(labels)) return;
  const clusterwide = each.kind === "CiliumClusterwideNetworkPolicy";
  yield {
    line: lineAt(each.text, startOf(pair)),
    rule: clusterwide ? "spoofable-peer" : "dns-cut",
    what: clusterwide
      ? "names the DNS pods of kube-system, not those with the same labels in any namespace"
      : "names the DNS pods of kube-system, not of its own namespace",
    alone: true,
    ...(clusterwide ? {} : { mayOpen: true }),
    mayClose: toNoServer,
    edits: addedAfter(each.text, labels, pair, ciliumNamespaceLabel, "kube-system"),
  };
}

/** `k8s-app: coredns` in kube-system fits no pod: the Deployment is called so, the label is kube-dns. */
function* wrongLabel(each: YamlObject, labels: YAMLMap): Iterable<Found> {
  for (const { key, value } of labels.items) {
    if (!isScalar(key) || !isScalar(value) || typeof value.value !== "string") continue;
    const name = String(key.value);
    if (!dnsKeys.has(name) || !dnsNames.test(value.value)) continue;
    const right = name === "k8s:k8s-app" ? name : "k8s-app";
    if (name === right && value.value === "kube-dns") continue;
    yield {
      line: lineAt(each.text, key.range?.[0] ?? 0),
      rule: "dns-cut",
      what: `names the DNS pods by their label k8s-app: kube-dns, not by ${name}: ${value.value}`,
      alone: true,
      mayOpen: true,
      mayClose: toNoServer,
      edits: [...replaced(key, right), ...replaced(value, "kube-dns")],
    };
  }
}

/** Paths to pods that were never read and that have a label of DNS servers elsewhere: they are what the peer is not meant for. */
function toNoServer({ destination }: ChangedPath): boolean {
  return (
    destination.kind === "freshPod" &&
    !(destination.namespace === "kube-system" && destination.labels?.["k8s-app"] === "kube-dns")
  );
}

function isForDns(rule: YAMLMap, cilium: boolean): boolean {
  const ports = (cilium ? mapsAt(rule, "toPorts") : [rule]).flatMap((holder) => mapsAt(holder, "ports"));
  return ports.length > 0 && ports.every((port) => String(valueAt(port, "port")) === "53");
}

function isKubeDns(labels: YAMLMap): boolean {
  return valueAt(labels, "k8s-app") === "kube-dns" || valueAt(labels, "k8s:k8s-app") === "kube-dns";
}

function isKubeSystem(selector: YAMLMap): boolean {
  const labels = mapAt(selector, "matchLabels");
  return labels?.items.length === 1 && valueAt(labels, namespaceNameLabel) === "kube-system";
}
