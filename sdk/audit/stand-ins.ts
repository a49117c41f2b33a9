/** Pods that nobody runs yet, for drifts that open paths to nobody who is there: the next pod is. */
import type { EnforcerProfile, KubeObject, PodDraft, SourcedObject } from "../reachability";
import { buildSnapshot, podsFitting } from "../reachability";
import type { CompiledPolicy, PeerTerm } from "../reachability";
import type { Candidate } from "./candidates";

/** Pods and their namespaces, and what to call them. */
export interface StandIns {
  readonly objects: readonly SourcedObject[];
  /** By workload id: `a new pod in shop with app=web`. */
  readonly names: ReadonlyMap<string, string>;
}

/** So many pods are made at most. */
const mostPods = 60;

/** Stands for a namespace that no object names. */
const elsewhere = "a-namespace-that-is-not-there-yet";

/** A pod for each subject and each peer of the policies of some drifts. */
export function standInsFor(
  candidates: readonly Candidate[],
  namespaces: readonly string[],
  profile: EnforcerProfile,
): StandIns {
  const drafts = new Map<string, PodDraft & { readonly namespace: string }>();
  const add = (draft: PodDraft, home: string): void => {
    const made = { ...draft, namespace: draft.namespace ?? home };
    if (drafts.size < mostPods) drafts.set(JSON.stringify(made), made);
  };
  for (const name of namespaces) add({ labels: {}, namespaceLabels: {} }, name);
  for (const candidate of candidates) {
    for (const policy of policiesOf(candidate, profile)) {
      const home = policy.origin.namespace ?? elsewhere;
      if (policy.subject.kind === "pods") add(podsFitting(policy.subject.where)[0], home);
      for (const term of peersOf(policy)) for (const draft of draftsOf(term)) add(draft, elsewhere);
    }
  }
  // whoever is in no namespace that a policy names
  if (drafts.size > 0) add({ labels: {}, namespaceLabels: {} }, elsewhere);
  const made = [...drafts.values()].map((draft, index) => ({ draft, name: `new-pod-${index + 1}` }));
  return {
    objects: made.flatMap(({ draft, name }) => objectsOf(draft, name)),
    names: new Map(made.map(({ draft, name }) => [`${homeOf(draft, name)}/${name}[Pod]`, describeDraft(draft)])),
  };
}

function policiesOf({ meant, found }: Candidate, profile: EnforcerProfile): readonly CompiledPolicy[] {
  const objects = [meant, found].flatMap((each) => (each === undefined ? [] : [each]));
  return objects.flatMap((each) => {
    const { rules } = buildSnapshot([each], { profile });
    return [...rules.policies, ...rules.mesh];
  });
}

function peersOf(policy: CompiledPolicy): readonly PeerTerm[] {
  return [policy.ingress, policy.egress].flatMap((side) => (side?.rules ?? []).flatMap(({ peers }) => peers));
}

function draftsOf(term: PeerTerm): readonly PodDraft[] {
  switch (term.kind) {
    case "pods":
    case "identities":
      return [podsFitting(term.where)[0]];
    case "and":
    case "or":
      return term.of.flatMap(draftsOf);
    default:
      return [];
  }
}

/** A namespace of its own where labels are asked for, so that no other gets labels which it does not have. */
function homeOf({ namespace = elsewhere, namespaceLabels }: PodDraft, name: string): string {
  const isOwn = namespace === elsewhere && Object.keys(namespaceLabels).length > 0;
  return isOwn ? `${elsewhere}-for-${name}` : namespace;
}

function objectsOf(draft: PodDraft, name: string): SourcedObject[] {
  const { namespaceLabels, labels, serviceAccount } = draft;
  const namespace = homeOf(draft, name);
  const pod: KubeObject = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels },
    spec: { containers: [], ...(serviceAccount === undefined ? {} : { serviceAccountName: serviceAccount }) },
  };
  if (namespace === (draft.namespace ?? elsewhere)) return [{ object: pod }];
  const space: KubeObject = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespace, labels: namespaceLabels },
  };
  return [{ object: space }, { object: pod }];
}

function describeDraft({ namespace, labels, namespaceLabels }: PodDraft): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const home = Object.entries(namespaceLabels).map(([key, value]) => `${key}=${value}`);
  const place =
    namespace !== undefined && namespace !== elsewhere
      ? ` in ${namespace}`
      : home.length > 0
        ? ` in a namespace with ${home.join(", ")}`
        : " in another namespace";
  return `a new pod${place}${pairs.length === 0 ? "" : ` with ${pairs.join(", ")}`}`;
}
