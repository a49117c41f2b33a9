import type { KubeObject, Peer, Reachability, SourcedObject } from "../reachability/index";
import { buildSnapshot, compile, inferProfile } from "../reachability/index";

/** A namespace that no policy names: what a clusterwide policy does there, it does wherever nobody thought of. */
const elsewhere = "a-namespace-that-nobody-names";

const stranger: Peer = { kind: "freshPod", namespace: elsewhere };

/** Everybody outside, one of each family. */
const outside: readonly Peer[] = ["198.51.100.10", "2001:db8::10"].map((address) => ({ kind: "address", address }));

/** The workloads of a cluster, where they are known, and which namespaces are nobody else's. */
export interface Neighbourhood {
  /** Namespaces of the declaration: what happens there is the owners' own decision. */
  readonly own: ReadonlySet<string>;
  /** What stands in the cluster. Undefined where it is not known: then pods are made up wherever the policies tell apart. */
  readonly objects?: readonly SourcedObject[];
}

/**
 * Who is protected by a clusterwide default deny as it stands and would not be after a change in place: pods that can then
 * be reached, or reach something, in a way that the policy alone has denied. Judged by reachability, not by the fields that
 * changed, so that it holds in every dialect.
 *
 * @returns `namespace/name[Kind]`, or `any pod in …` where the cluster is not known; sorted. Empty where nobody loses
 *   anything, or where the policy that stands was not clusterwide.
 */
export function lostProtection(
  standing: KubeObject,
  changed: KubeObject,
  { own, objects }: Neighbourhood,
): readonly string[] {
  const imagined = objects === undefined ? imagine(standing, changed) : undefined;
  const world = objects ?? imagined?.objects ?? [];
  const [before, after] = [judge(standing, world), judge(changed, world)];
  const isHeld = (pod: Peer): boolean =>
    [
      ...outside.flatMap((end): [Peer, Peer][] => [
        [end, pod],
        [pod, end],
      ]),
      [pod, pod] as const,
    ].some(([from, to]) => !before.traffic(from, to).possible.isAll());
  if (!isHeld(stranger)) return [];
  const pods = imagined?.pods ?? running(before);
  // what is between two held pods is denied twice: only one that is not held, of each namespace, shows that half of it is gone
  const free = [...pods.values()].filter(({ peer }) => !isHeld(peer));
  const ofEach = new Map(free.map(({ namespace, peer }) => [namespace, peer]));
  const ends = [...outside, stranger, ...ofEach.values()];
  const loses = (pod: Peer): boolean =>
    isHeld(pod) && [...ends, pod].some((end) => grows(before, after, end, pod) || grows(before, after, pod, end));
  // whoever is somewhere: more need not be said
  if (imagined !== undefined && loses(stranger)) return ["any pod in a namespace that is not declared"];
  return [...pods]
    .filter(([, { peer, namespace }]) => !own.has(namespace) && loses(peer))
    .map(([name]) => name)
    .sort();
}

/** The cluster as one policy alone would have it. */
function judge(policy: KubeObject, objects: readonly SourcedObject[]): Reachability {
  const source: SourcedObject = { object: policy, source: {} };
  const rest = objects.filter(({ object }) => !/Policy$/.test(object.kind));
  return compile(buildSnapshot([...rest, source], { profile: inferProfile([source]) }));
}

function grows(before: Reachability, after: Reachability, source: Peer, destination: Peer): boolean {
  const { possible } = after.traffic(source, destination);
  return !possible.subtract(before.traffic(source, destination).possible).isEmpty();
}

/** A pod by what it is called in a message. */
type Pods = ReadonlyMap<string, { readonly peer: Peer; readonly namespace: string }>;

/** What runs, but for what no policy holds anyway. */
function running({ snapshot }: Reachability): Pods {
  const workloads = snapshot.workloads.filter(({ hostNetwork }) => !hostNetwork);
  return new Map(workloads.map(({ id, namespace }) => [id, { peer: { kind: "workload", id }, namespace }]));
}

/** Pods that are made up, and the namespaces that some of them need. */
interface Imagined {
  readonly pods: Pods;
  readonly objects: readonly SourcedObject[];
}

/**
 * Pods as the words of the two policies tell them apart: by namespace, and by labels of pods and of namespaces where only
 * one of the two has a word.
 */
function imagine(standing: KubeObject, changed: KubeObject): Imagined {
  const [before, after] = [wordsOf(standing), wordsOf(changed)];
  const all = new Set([...before, ...after]);
  const pods = new Map<string, { peer: Peer; namespace: string }>();
  const objects: SourcedObject[] = [];
  const add = (where: string, namespace: string, labels: Readonly<Record<string, string>> = {}): void =>
    void pods.set(`any pod ${where}`, { peer: { kind: "freshPod", namespace, labels }, namespace });
  for (const namespace of all) add(`in ${namespace}`, namespace);
  const isNew = (word: string): boolean => before.has(word) !== after.has(word);
  for (const key of all) {
    for (const value of ["", ...all]) {
      if (!isNew(key) && !isNew(value)) continue;
      const labels = { [key]: value };
      const name = `${elsewhere}-${objects.length}`;
      objects.push({ object: { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } }, source: {} });
      add(`with the label ${key}=${value}`, elsewhere, labels);
      add(`in a namespace with the label ${key}=${value}`, name);
    }
  }
  return { pods, objects };
}

/** Names, labels and values in a policy's spec; of Calico's selectors, which are text, the parts. */
function wordsOf(policy: KubeObject): ReadonlySet<string> {
  const words = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value === "string") for (const word of value.match(/[\w./-]+/g) ?? []) words.add(word);
    else if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null) Object.entries(value).forEach(visit);
  };
  const { description: _, ...spec } = policy["spec"] as { description?: unknown };
  visit(spec);
  return words;
}
