/** Which workload a recorded pod belongs to: declared ones first, then those of a cluster, then by what the records say. */
import type { Model, ModelWorkload } from "../../plan/model";
import type { Snapshot } from "../../reachability";
import { withoutControllerLabels } from "../../reachability";
import type { FlowClass } from "../classes";
import type { RecordedEnd, RecordedPod } from "../record";
import { resolveEnd } from "../resolve";

type Labels = Readonly<Record<string, string>>;

/** A workload that a declaration may name. */
export interface LearnedWorkload {
  readonly namespace: string;
  readonly name: string;
  /** It is in the declaration already. */
  readonly isDeclared: boolean;
  /** What selects its pods and no others that were seen. */
  readonly labels: Labels;
  readonly serviceAccount?: string;
  /** Ports that are known to be its own, with their names. */
  readonly ports: readonly { readonly port: number; readonly protocol: string; readonly name?: string }[];
  /** What a person should look at. */
  readonly remarks: readonly string[];
}

/** What is known beside the records. */
export interface Known {
  /** The declaration that is added to. */
  readonly model?: Model;
  /** The workloads of the cluster. */
  readonly snapshot?: Snapshot;
}

/** The workloads of a recording. */
export class Workloads {
  private readonly byId = new Map<string, LearnedWorkload>();
  private readonly idOfPods = new Map<string, string>();

  constructor(
    classes: readonly FlowClass[],
    private readonly known: Known,
  ) {
    const pods = classes.flatMap(({ source, destination }) => [source, destination]).filter(isPod);
    this.name(pods);
  }

  /** @returns A sentence where nobody can say whose pod it is. */
  of(pod: RecordedPod): LearnedWorkload | string {
    const declared = this.declaredOf(pod);
    if (declared !== undefined) return declared;
    const id = this.idOfPods.get(keyOf(pod));
    const found = id === undefined ? undefined : this.byId.get(id);
    return found ?? `${pod.namespace}/${pod.pod ?? "a pod without name"}: it has no labels of its own to select it by`;
  }

  private declaredOf(pod: RecordedPod): LearnedWorkload | undefined {
    const found = [...(this.known.model?.workloads.values() ?? [])].filter((workload) => isSelected(pod, workload));
    const [workload] = found.toSorted((a, b) => Object.keys(b.labels).length - Object.keys(a.labels).length);
    if (workload === undefined) return undefined;
    const { namespace, name, labels, ports } = workload;
    const served = ports.map(({ from, protocol, name: portName }) => ({
      port: from,
      protocol,
      ...(portName === undefined ? {} : { name: portName }),
    }));
    return { namespace, name, labels, ports: served, isDeclared: true, remarks: [] };
  }

  private name(pods: readonly RecordedPod[]): void {
    const groups = new Map<string, Group>();
    for (const pod of pods) {
      if (this.declaredOf(pod) !== undefined) continue;
      const group = this.groupOf(pod);
      if (group === undefined) continue;
      const id = `${pod.namespace}/${group.name}`;
      const known = groups.get(id);
      this.idOfPods.set(keyOf(pod), id);
      groups.set(id, known === undefined ? group : joined(known, group));
    }
    for (const [id, group] of groups) {
      const others = [...groups].filter(([other, { namespace }]) => other !== id && namespace === group.namespace);
      const chosen = selectorOf(group, [
        ...others.map(([, { labels }]) => labels),
        ...declaredLabels(this.known.model, group.namespace),
      ]);
      const [account, ...accounts] = [...group.accounts];
      const isOwnAccount = accounts.length === 0 && account !== undefined && account !== "default";
      this.byId.set(id, {
        namespace: group.namespace,
        name: group.name,
        isDeclared: false,
        labels: chosen.labels,
        ...(isOwnAccount ? { serviceAccount: account } : {}),
        ports: group.ports,
        remarks: chosen.remarks,
      });
    }
  }

  private groupOf(pod: RecordedPod): Group | undefined {
    const accounts = new Set(pod.serviceAccount === undefined ? [] : [pod.serviceAccount]);
    const { snapshot } = this.known;
    const ends = snapshot === undefined ? "nobody" : resolveEnd(pod, snapshot);
    const [peer, ...more] = typeof ends === "string" ? [] : ends.peers;
    if (peer?.kind === "workload" && more.length === 0) {
      const workload = snapshot?.workloads.find(({ id }) => id === peer.id);
      if (workload !== undefined) {
        const { namespace, name, serviceAccount, ports } = workload;
        const labels = ownLabels(workload.labels);
        return { namespace, name, labels, accounts: new Set([serviceAccount]), ports: [...ports] };
      }
    }
    const labels = pod.labels === undefined ? undefined : ownLabels(pod.labels);
    if (labels === undefined || Object.keys(labels).length === 0) return undefined;
    return { namespace: pod.namespace, name: nameOf(pod, labels), labels, accounts, ports: [] };
  }
}

interface Group {
  readonly namespace: string;
  readonly name: string;
  /** What all its pods have. */
  readonly labels: Labels;
  readonly accounts: ReadonlySet<string>;
  readonly ports: LearnedWorkload["ports"];
}

function joined(a: Group, b: Group): Group {
  const labels = Object.fromEntries(Object.entries(a.labels).filter(([key, value]) => b.labels[key] === value));
  return { ...a, labels, accounts: new Set([...a.accounts, ...b.accounts]) };
}

function isPod(end: RecordedEnd): end is RecordedPod {
  return end.kind === "pod";
}

function isSelected(pod: RecordedPod, { namespace, labels, serviceAccount, hostNetwork }: ModelWorkload): boolean {
  if (pod.namespace !== namespace || pod.labels === undefined || hostNetwork) return false;
  const own = pod.labels;
  const hasAccount =
    serviceAccount === undefined || pod.serviceAccount === undefined || serviceAccount === pod.serviceAccount;
  return hasAccount && Object.entries(labels).every(([key, value]) => own[key] === value);
}

function declaredLabels(model: Model | undefined, namespace: string): Labels[] {
  return [...(model?.workloads.values() ?? [])]
    .filter((workload) => workload.namespace === namespace)
    .map(({ labels }) => labels);
}

function keyOf({ namespace, labels, serviceAccount, pod, sharedLabels }: RecordedPod): string {
  const own = labels === undefined ? undefined : Object.entries(ownLabels(labels)).sort();
  return JSON.stringify([namespace, own ?? pod, serviceAccount, sharedLabels === true ? pod : undefined]);
}

function ownLabels(labels: Labels): Labels {
  return withoutControllerLabels(labels);
}

/** Labels by which charts and people say what a pod is, in the order in which they are asked for its name. */
const nameKeys = ["app.kubernetes.io/name", "k8s-app", "app"] as const;

/** What Kubernetes makes random parts of names of (`SafeEncodeString`). */
const random = "[bcdfghjklmnpqrstvwxz2456789]";
const endings: readonly RegExp[] = [
  // what Calico writes of pods with one controller
  new RegExp(`(?:-${random}{6,10})?-\\*$`),
  // Deployment, then DaemonSet and Job, then StatefulSet
  new RegExp(`-${random}{6,10}-${random}{5}$`),
  new RegExp(`-${random}{5}$`),
  /-\d+$/,
];

function nameOf({ workload, pod }: RecordedPod, labels: Labels): string {
  const ending = endings.find((each) => pod !== undefined && each.test(pod));
  const stem = ending === undefined ? undefined : pod?.replace(ending, "");
  const labelled = nameKeys.map((key) => labels[key]).find((name) => name !== undefined && name !== "");
  const name = workload ?? stem ?? labelled ?? pod ?? Object.values(labels)[0] ?? "workload";
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, 63);
  return plain.replace(/^-+|-+$/g, "") || "workload";
}

/** Labels that tell apart what others leave alike, in the order in which they are taken. */
const selectorKeys: readonly string[] = [
  "app",
  "app.kubernetes.io/name",
  "k8s-app",
  "app.kubernetes.io/instance",
  "app.kubernetes.io/component",
];

/** The first labels that select the pods of a group and none of the others. */
function selectorOf(group: Group, others: readonly Labels[]): { labels: Labels; remarks: string[] } {
  const { labels, name } = group;
  const rank = (key: string): number => {
    const found = selectorKeys.indexOf(key);
    return found === -1 ? selectorKeys.length : found;
  };
  const keys = Object.keys(labels).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const chosen: Record<string, string> = {};
  const isAlone = (): boolean =>
    !others.some((other) => Object.entries(chosen).every(([key, value]) => other[key] === value));
  for (const key of keys) {
    const value = labels[key];
    if (value === undefined) continue;
    chosen[key] = value;
    if (isAlone()) return { labels: chosen, remarks: [] };
  }
  const remark =
    keys.length === 0
      ? `the pods of ${name} have no label in common`
      : "other pods that were recorded have these labels too";
  return { labels: chosen, remarks: [`${remark}: give it labels of its own`] };
}
