/**
 * Policy kinds that may decide about traffic and have no reader: which pods each may select, and what it may do to them.
 * Whatever is in no table here, and is not named like a network policy, decides about no connection between two pods.
 */
import type { Direction } from "../model/direction";
import { groupOf, type KubeObject } from "../model/objects";
import type { PolicySource } from "../model/policy-source";
import type { CompiledPolicy, DirectionRules, PeerTerm, Subject } from "../model/rules";
import { tiers } from "../model/rules";
import { all, always, any, never, perhaps, test, type Condition } from "../model/selectors/conditions";
import type { LabelValue } from "../model/selectors/labels";
import { MAYBE, NO } from "../model/unknown";
import { uncertainPeer, uncertainRule } from "./common";
import { readList, readMap, type Fields } from "./fields";
import { namespaceLabels, podLabels, readLabelSelector } from "./label-selector";

/** What a kind without a reader may do. */
interface UnreadKind {
  readonly namespaced: boolean;
  /** Default: both. */
  readonly directions?: readonly Direction[];
  /** It can only close: what other policies deny stays denied. Default: it may also open. */
  readonly restricts?: boolean;
  /** It is about nodes, not about pods. */
  readonly nodes?: boolean;
  /** The pods that an object may select, within its namespace. Default: {@link selectedBy}. Nothing: it selects none. */
  readonly selects?: (object: KubeObject) => Condition | undefined;
}

const namespacedPolicy: UnreadKind = { namespaced: true };
const clusterwidePolicy: UnreadKind = { namespaced: false };
const ingressOnly: UnreadKind = { namespaced: true, directions: ["ingress"], restricts: true };
const egressOnly: UnreadKind = { namespaced: true, directions: ["egress"], restricts: true };

/** By API group and kind; a version is no matter, for none is read. */
const unreadKinds: Readonly<Record<string, Readonly<Record<string, UnreadKind>>>> = {
  "crd.antrea.io": { NetworkPolicy: namespacedPolicy, ClusterNetworkPolicy: clusterwidePolicy },
  "security.antrea.tanzu.vmware.com": { NetworkPolicy: namespacedPolicy, ClusterNetworkPolicy: clusterwidePolicy },
  "nsx.vmware.com": { SecurityPolicy: namespacedPolicy },
  "crd.nsx.vmware.com": { SecurityPolicy: namespacedPolicy },
  "k8s.ovn.org": {
    EgressFirewall: { ...egressOnly, selects: () => always },
    UserDefinedNetwork: { namespaced: true, restricts: true, selects: (object) => onPrimaryNetwork(object.spec) },
    ClusterUserDefinedNetwork: { namespaced: false, restricts: true, selects: membersOfNetwork },
  },
  "network.openshift.io": { EgressNetworkPolicy: { ...egressOnly, selects: () => always } },
  "ingressnodefirewall.openshift.io": {
    IngressNodeFirewall: { namespaced: false, directions: ["ingress"], restricts: true, nodes: true },
  },
  "k8s.cni.cncf.io": { MultiNetworkPolicy: { namespaced: true, selects: selectedOnDefaultNetwork } },
  "kubeovn.io": { SecurityGroup: { namespaced: false, restricts: true }, Subnet: membersOfSubnet() },
  "networking.k8s.aws": { ApplicationNetworkPolicy: namespacedPolicy, ClusterNetworkPolicy: clusterwidePolicy },
  "vpcresources.k8s.aws": { SecurityGroupPolicy: namespacedPolicy },
  "vpc.yangtse.cni": { SecurityGroup: namespacedPolicy },
  "networking.gke.io": { FQDNNetworkPolicy: { namespaced: true, directions: ["egress"] } },
  "policy.linkerd.io": {
    Server: ingressOnly,
    ServerAuthorization: { ...ingressOnly, selects: () => always },
    AuthorizationPolicy: { ...ingressOnly, selects: () => always },
    EgressNetwork: { ...egressOnly, selects: () => always },
  },
  "kuma.io": {
    MeshTrafficPermission: { namespaced: false, directions: ["ingress"], restricts: true, selects: taggedInKuma },
    TrafficPermission: { namespaced: false, directions: ["ingress"], restricts: true, selects: () => always },
  },
  "consul.hashicorp.com": { ServiceIntentions: { ...ingressOnly, selects: () => always } },
  "access.smi-spec.io": { TrafficTarget: { ...ingressOnly, selects: ofTargetedAccount } },
  "authentication.istio.io": { Policy: { ...ingressOnly, selects: () => always } },
};

/** The type of an object of which not even the type can be read: it may be a policy of any API. */
export const unreadable = { apiVersion: "(unknown)", kind: "Object" } as const;

/** Whether an object stands for one that could not be read, and that may lie anywhere. */
export function isUnreadable({ apiVersion, metadata }: KubeObject): boolean {
  return apiVersion === unreadable.apiVersion && metadata?.namespace === undefined;
}

/**
 * Kinds of any group that are named so allow or deny connections, in any case: `Networkpolicy` is none, and whoever wrote it
 * takes it for one. Those that audit say what others would do.
 */
const namedLikeOne = /^(?!Audit).*NetworkPolic(y|ies)$/i;
/** Groups of admission: a constraint that asks for network policies is none. */
const ofAdmission = /(^|\.)(gatekeeper\.sh|kyverno\.io|kubewarden\.io)$/;

/** A kind that may decide about traffic and that the engine does not read; nothing for every other kind. */
export function unreadKindOf(apiVersion: string, kind: string): UnreadKind | undefined {
  const ofGroup = unreadKinds[groupOf(apiVersion)];
  if (ofGroup !== undefined && Object.hasOwn(ofGroup, kind)) return ofGroup[kind];
  if (apiVersion === unreadable.apiVersion) return { namespaced: false, selects: inNamedNamespace };
  if (!namedLikeOne.test(kind) || ofAdmission.test(groupOf(apiVersion))) return undefined;
  return /^(Cluster|Global|Admin|Baseline)|Clusterwide/.test(kind) ? clusterwidePolicy : namespacedPolicy;
}

/**
 * What stands for a policy that is not read: whatever the pods that it may select send or get is unknown. One that may open
 * may do so for the other side as well.
 *
 * @returns nothing at all where the object selects no pod for certain
 */
export function readUnread(kind: UnreadKind, origin: PolicySource, namespace: LabelValue): CompiledPolicy[] {
  const selected = (kind.selects ?? selectedBy)(origin.object);
  if (selected === undefined) return [];
  const home = kind.namespaced ? test("namespace", "", "in", namespace) : always;
  const where = all(home, selected, perhaps);
  const directions = kind.directions ?? ["ingress", "egress"];
  const rules = (direction: Direction): DirectionRules => ({
    isolates: kind.restricts === true ? NO : MAYBE,
    rules: [
      uncertainRule(direction, "deny", "spec"),
      ...(kind.restricts === true ? [] : [uncertainRule(direction, "allow", "spec")]),
    ],
  });
  const own: CompiledPolicy = {
    origin,
    tier: tiers.unread,
    order: 0,
    subject: kind.nodes === true ? { kind: "nodes", where: perhaps } : { kind: "pods", where },
    ...Object.fromEntries(directions.map((each) => [each, rules(each)])),
  };
  if (kind.restricts === true) return [own];
  const selectedPeer: PeerTerm = { kind: "and", of: [uncertainPeer, { kind: "pods", where }] };
  const others = directions.map((direction): [Direction, DirectionRules] => {
    const opposite = direction === "ingress" ? "egress" : "ingress";
    const rule = { ...uncertainRule(opposite, "allow", "spec"), peers: [selectedPeer] };
    return [opposite, { isolates: NO, rules: [rule] }];
  });
  const far: Subject = { kind: "pods", where: perhaps };
  return [own, { origin, tier: tiers.unread, order: 0, subject: far, ...Object.fromEntries(others) }];
}

/**
 * The pods that the usual fields of a policy select: `podSelector`, `namespaceSelector`, `subject`, and lists of them in
 * `appliedTo`. A field that cannot be read selects anybody.
 */
function selectedBy(object: KubeObject): Condition {
  try {
    const spec = readMap(object.spec, "spec") ?? {};
    const applied = [spec, ...rulesOf(spec)].flatMap((part) => readList(part["appliedTo"], "spec.appliedTo") ?? []);
    const own = selectorsIn(spec);
    return applied.length === 0 ? own : all(own, any(...applied.map((each) => selectorsIn(readMap(each, "") ?? {}))));
  } catch {
    return always;
  }
}

/** Antrea: a policy may say in each rule whom it is about. Where one rule does not, the policy itself has to. */
function rulesOf(spec: Fields): Fields[] {
  if (spec["appliedTo"] !== undefined) return [];
  const lists = [spec["ingress"], spec["egress"]].flatMap((rules) => readList(rules, "spec") ?? []);
  return lists.map((rule) => readMap(rule, "spec") ?? {});
}

const selectorFields = ["podSelector", "namespaceSelector"] as const;
/** Ways to select that the labels of pods and namespaces do not tell about. */
const otherSelectors = [
  "serviceAccountSelector",
  "group",
  "groups",
  "service",
  "serviceAccount",
  "namespaces",
] as const;
/** Ways to select what is no pod. */
const selectorsOfOthers = ["nodeSelector", "vmSelector", "externalEntitySelector", "externalWorkloadSelector"] as const;

function selectorsIn(fields: Fields): Condition {
  const subject = readMap(fields["subject"], "subject");
  if (subject !== undefined) {
    const namespaces = readLabelSelector(subject["namespaces"], "namespaces", namespaceLabels);
    return all(namespaces, selectorsIn(readMap(subject["pods"], "pods") ?? {}));
  }
  const has = (names: readonly string[]): boolean => names.some((each) => fields[each] !== undefined);
  if (has(otherSelectors)) return always;
  if (!has(selectorFields)) return has(selectorsOfOthers) ? never : always;
  return all(
    readLabelSelector(fields["namespaceSelector"], "namespaceSelector", namespaceLabels),
    readLabelSelector(fields["podSelector"], "podSelector", podLabels),
  );
}

/** The annotation names attachments of pods; a policy with it is about these and not about the cluster's network. */
function selectedOnDefaultNetwork(object: KubeObject): Condition | undefined {
  const annotations: Readonly<Record<string, unknown>> = object.metadata?.annotations ?? {};
  return annotations["k8s.v1.cni.cncf.io/policy-for"] === undefined ? selectedBy(object) : undefined;
}

/** Pods whose only network is one of their own; a secondary one comes besides the cluster's. */
function onPrimaryNetwork(spec: unknown): Condition | undefined {
  try {
    const fields = readMap(spec, "spec") ?? {};
    const layers = ["layer2", "layer3", "localnet"].map((layer) => readMap(fields[layer], layer)).filter(isThere);
    const isSecondary = layers.length > 0 && layers.every((layer) => layer["role"] === "Secondary");
    return isSecondary ? undefined : always;
  } catch {
    return always;
  }
}

function membersOfNetwork(object: KubeObject): Condition | undefined {
  try {
    const spec = readMap(object.spec, "spec") ?? {};
    if (onPrimaryNetwork(spec["network"]) === undefined) return undefined;
    return readLabelSelector(spec["namespaceSelector"], "spec.namespaceSelector", namespaceLabels);
  } catch {
    return always;
  }
}

/** Kube-OVN: a subnet that is private, or has rules, closes the pods of its namespaces to others. */
function membersOfSubnet(): UnreadKind {
  const selects = (object: KubeObject): Condition | undefined => {
    try {
      const spec = readMap(object.spec, "spec") ?? {};
      const rules = readList(spec["acls"], "spec.acls") ?? [];
      if (spec["private"] !== true && rules.length === 0) return undefined;
      const names = readList(spec["namespaces"], "spec.namespaces")?.filter((each) => typeof each === "string") ?? [];
      return names.length === 0 ? always : test("namespace", "", "in", ...names);
    } catch {
      return always;
    }
  };
  return { namespaced: false, restricts: true, selects };
}

/** Kuma gives pods their labels as tags, and some of its own. */
function taggedInKuma(object: KubeObject): Condition {
  try {
    const target = readMap((readMap(object.spec, "spec") ?? {})["targetRef"], "spec.targetRef") ?? {};
    const tags = { ...readMap(target["tags"], "tags"), ...readMap(target["labels"], "labels") };
    const tests = Object.entries(tags).flatMap(([key, value]) => {
      if (typeof value !== "string" || value === "*") return [];
      if (key === "k8s.kuma.io/namespace") return [test("namespace", "", "in", value)];
      return key.includes("kuma.io/") ? [] : [test("label", key, "in", value)];
    });
    return all(...tests);
  } catch {
    return always;
  }
}

/** Service Mesh Interface: the pods of the service account that may be reached. */
function ofTargetedAccount(object: KubeObject): Condition {
  try {
    const destination = readMap((readMap(object.spec, "spec") ?? {})["destination"], "spec.destination") ?? {};
    const { kind, name } = destination;
    return kind === "ServiceAccount" && typeof name === "string" ? test("serviceAccount", "", "in", name) : always;
  } catch {
    return always;
  }
}

function inNamedNamespace({ metadata }: KubeObject): Condition {
  return metadata?.namespace === undefined ? always : test("namespace", "", "in", metadata.namespace);
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined;
}
