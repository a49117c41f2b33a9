/**
 * Policies that hold the pods of one subject by themselves, for clusters of which nothing else is declared: what is
 * allowed, DNS, the deny of metadata endpoints, and the isolation, all in one object, so that no moment lies between them.
 */
import { metadataCidrs } from "./addresses";
import { flowAnnotations } from "./annotations";
import { Dialect } from "./declaration";
import { subjectSelector as calicoSelector } from "./dialects/calico";
import { subjectSelector as ciliumSelector } from "./dialects/cilium";
import { namespaceNameLabel, podSelectorOf } from "./dialects/network-policy";
import type { DraftDocument, PlannedObject } from "./documents";
import { managedByLabel } from "./documents";
import type { Subject } from "./halves";
import { halvesOf, namespaceOf } from "./halves";
import type { Model } from "./model";
import { networkDocuments } from "./plan";
import type { Shortfalls } from "./unsupported";

type Plain = Readonly<Record<string, unknown>>;
type Direction = "ingress" | "egress";

/** ClusterNetworkPolicy: networks that one peer may list. */
const mostNetworks = 25;
/** ClusterNetworkPolicy: before everything that accepts. */
const denyPriority = 110;

/**
 * The guard of a subject: its flows (`model.flows` are its own), DNS, metadata endpoints closed, everything else of the
 * given directions closed unless another policy allows it.
 *
 * @param hasOwnDns DNS is opened to the namespace elsewhere. Defaults to false.
 */
export function guardDocuments(
  model: Model,
  shortfalls: Shortfalls,
  subject: Subject,
  name: string,
  directions: readonly Direction[],
  hasOwnDns = false,
): readonly DraftDocument[] {
  const home = namespaceOf(subject);
  const all = partsOf(alone(model, home), shortfalls);
  const parts = hasOwnDns ? { ...all, dns: [] } : all;
  const annotations = model.flows.length === 0 ? {} : flowAnnotations(halvesOf(model.flows));
  switch (model.dialect) {
    case Dialect.Cilium:
      return [
        draft("cilium.io/v2", "CiliumNetworkPolicy", name, home, annotations, ciliumSpec(subject, parts, directions)),
      ];
    case Dialect.Calico: {
      const spec = calicoSpec(subject, parts, directions);
      // rules for addresses outside the cluster have to leave pods out, which only a global policy can say
      return [
        draft("projectcalico.org/v3", "GlobalNetworkPolicy", `default.${home}.${name}`, undefined, annotations, spec),
      ];
    }
    case Dialect.Kubernetes:
      return [networkPolicy(subject, name, annotations, parts, directions)];
    case Dialect.ClusterNetworkPolicy:
      return [
        clusterDeny(subject, `${home}.${name}-metadata`),
        networkPolicy(subject, name, annotations, parts, directions),
      ];
  }
}

/** Rules as the dialect writes them, taken from the policies that it would write for the whole. */
interface Parts {
  readonly flows: readonly Plain[];
  readonly dns: readonly Plain[];
  readonly metadata: readonly Plain[];
}

/** The model as if there were no other namespace: what is opened to others is not opened to this one. */
function alone(model: Model, home: string): Model {
  return {
    ...model,
    namespaces: new Map([...model.namespaces].filter(([name]) => name === home)),
    dnsNames: new Map([...model.dnsNames].filter(([name]) => name === home)),
    tenants: [],
    bypasses: [],
  };
}

function partsOf(model: Model, shortfalls: Shortfalls): Parts {
  // what NetworkPolicy says of flows is said of them whatever denies stand beside
  const isPlain = model.dialect === Dialect.ClusterNetworkPolicy;
  const drafts = networkDocuments(isPlain ? { ...model, dialect: Dialect.Kubernetes } : model, shortfalls);
  const rules = (stage: DraftDocument["stage"], section: string): readonly Plain[] =>
    drafts
      .filter((one) => one.stage === stage)
      .flatMap(({ object }) => ((object["spec"] as Plain | undefined)?.[section] ?? []) as readonly Plain[]);
  const deny = model.dialect === Dialect.Cilium ? "egressDeny" : "egress";
  return { flows: rules("flows", "egress"), dns: rules("dns", "egress"), metadata: rules("metadata-deny", deny) };
}

/** The deny is final; the rules allow; the policy isolates, also where it allows nothing. */
function ciliumSpec(subject: Subject, parts: Parts, directions: readonly Direction[]): Plain {
  const isIsolated = (direction: Direction): boolean => directions.includes(direction);
  const allowed = [...parts.dns, ...parts.flows];
  return {
    description: "Closes everything that no policy allows, and the metadata endpoints of every cloud",
    endpointSelector: ciliumSelector(subject, false),
    enableDefaultDeny: { ingress: isIsolated("ingress"), egress: isIsolated("egress") },
    ...(isIsolated("ingress") ? { ingress: [{}] } : {}),
    // an empty rule selects no peer; without any rule Cilium would not isolate
    egress: allowed.length > 0 ? allowed : [{}],
    egressDeny: parts.metadata,
  };
}

/** In the tier of Kubernetes' policies and before them: what neither it nor they allow is dropped at the tier's end. */
function calicoSpec(subject: Subject, parts: Parts, directions: readonly Direction[]): Plain {
  return {
    tier: "default",
    order: 10,
    selector: calicoSelector(subject, true),
    types: directions.map((direction) => (direction === "ingress" ? "Ingress" : "Egress")),
    egress: [...parts.metadata, ...parts.dns, ...parts.flows],
  };
}

function networkPolicy(
  subject: Subject,
  name: string,
  annotations: Readonly<Record<string, string>>,
  parts: Parts,
  directions: readonly Direction[],
): DraftDocument {
  const egress = [...parts.dns, ...parts.flows];
  return draft("networking.k8s.io/v1", "NetworkPolicy", name, namespaceOf(subject), annotations, {
    podSelector: podSelectorOf(subject),
    policyTypes: directions.map((direction) => (direction === "ingress" ? "Ingress" : "Egress")),
    ...(egress.length > 0 ? { egress } : {}),
  });
}

/** No NetworkPolicy opens again what the cluster's administrator denies. */
function clusterDeny(subject: Subject, name: string): DraftDocument {
  const peers: Plain[] = [];
  for (let start = 0; start < metadataCidrs.length; start += mostNetworks) {
    peers.push({ networks: metadataCidrs.slice(start, start + mostNetworks) });
  }
  const namespaceSelector = { matchLabels: { [namespaceNameLabel]: namespaceOf(subject) } };
  const selected =
    subject.kind === "workload"
      ? { pods: { namespaceSelector, podSelector: podSelectorOf(subject) } }
      : { namespaces: namespaceSelector };
  const spec = {
    tier: "Admin",
    priority: denyPriority,
    subject: selected,
    egress: [{ action: "Deny", to: peers }],
  };
  const kind = "ClusterNetworkPolicy";
  return {
    ...draft("policy.networking.k8s.io/v1alpha2", kind, name, undefined, {}, spec),
    stage: "metadata-deny",
  };
}

function draft(
  apiVersion: string,
  kind: string,
  name: string,
  namespace: string | undefined,
  annotations: Readonly<Record<string, string>>,
  spec: Plain,
): DraftDocument {
  const object: PlannedObject = {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: managedByLabel,
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    spec,
  };
  return { stage: "default-deny", object };
}
