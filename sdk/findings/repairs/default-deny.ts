import { namespaceNameLabel } from "../../reachability/model/namespace-labels";
import { inNamespace } from "../../reachability/model/selectors/conditions";
import { isMap, type YAMLMap } from "yaml";
import type { ClusterDns, Direction, Snapshot } from "../../reachability";
import { isAllRead } from "../../reachability";
import { isolationByWorkload, policyObjects, selectsPod } from "../policy-rules";
import { clusterDnsIn } from "../resolvers";
import { freshPod } from "../subjects";
import type { Finding } from "../types";
import { documentsAdded, lineAt } from "./edits";
import type { ParsedTexts } from "./objects";
import type { ChangedPath, Repair } from "./types";

/**
 * A default deny for a namespace whose workloads are isolated already, each by policies of its own, so that it closes nothing
 * but what new pods would have open; not where something makes pods that were not read. It goes into a file that holds objects of the namespace, policies first. New pods get DNS
 * with it where every workload has it.
 */
export function* defaultDenies(
  texts: ReadonlyMap<string, string>,
  findings: readonly Finding[],
  snapshot: Snapshot,
  parsed: ParsedTexts,
): Iterable<Repair> {
  const isolation = isolationByWorkload(snapshot);
  for (const { id, subject } of findings) {
    if (id !== "namespace-default-deny" || subject.kind !== "Namespace") continue;
    const namespace = subject.name;
    // pods that a chart or an operator makes may live on what is open
    if (!isAllRead(inNamespace(namespace), snapshot)) continue;
    const pods = snapshot.workloads.filter((each) => each.namespace === namespace && !each.hostNetwork);
    const isClosed = (direction: Direction): boolean =>
      pods.length > 0 && pods.every((pod) => (isolation.get(pod.id)?.[direction].length ?? 0) > 0);
    const directions = (["ingress", "egress"] as const).filter(isClosed);
    const name = directions.length === 2 ? "default-deny-all" : `default-deny-${directions[0] ?? ""}`;
    if (directions.length === 0 || hasPolicy(snapshot, namespace, name)) continue;
    const file = fileFor(namespace, texts, parsed);
    if (file === undefined) continue;
    const text = texts.get(file) ?? "";
    const deny = policy(namespace, name, { policyTypes: directions.map((each) => typeOf[each]) });
    const what = `a default deny for namespace ${namespace} (${directions.join(" and ")})`;
    const repair: Omit<Repair, "what" | "edits"> = {
      file,
      line: lineAt(text, text.length),
      rule: "namespace-default-deny",
      namespace,
      alone: true,
      mayClose: ({ source, destination }: ChangedPath) => [source, destination].some((end) => end.kind === "freshPod"),
    };
    const needsDns = directions.includes("egress") && !asksDns(namespace, snapshot);
    if (needsDns && !hasPolicy(snapshot, namespace, "allow-dns")) {
      const edits = documentsAdded(text, [policy(namespace, "allow-dns", allowing(clusterDnsIn(snapshot))), deny]);
      yield { ...repair, what: `adds ${what}, with DNS`, edits };
    }
    yield { ...repair, what: `adds ${what}`, edits: documentsAdded(text, [deny]) };
  }
}

const typeOf = { ingress: "Ingress", egress: "Egress" } as const;
function allowing(servers: readonly ClusterDns[]): object {
  return {
    policyTypes: ["Egress"],
    egress: servers.map(({ namespace, labels, port }) => ({
      to: [
        {
          namespaceSelector: { matchLabels: { [namespaceNameLabel]: namespace } },
          podSelector: { matchLabels: labels },
        },
      ],
      ports: [
        { protocol: "UDP", port },
        { protocol: "TCP", port },
      ],
    })),
  };
}

function policy(namespace: string, name: string, spec: object): object {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace },
    spec: { podSelector: {}, ...spec },
  };
}

function hasPolicy(snapshot: Snapshot, namespace: string, name: string): boolean {
  return snapshot.policies.some((each) => each.namespace === namespace && each.name === name);
}

/** Whether a policy that selects every pod of the namespace lets DNS pass already. */
function asksDns(namespace: string, snapshot: Snapshot): boolean {
  const servers = clusterDnsIn(snapshot);
  return policyObjects(snapshot).some(({ parts }) =>
    parts.some(
      (part) =>
        selectsPod(part, freshPod(namespace), snapshot) &&
        (part.egress?.rules ?? []).some(
          ({ verdict, l4 }) => verdict === "allow" && servers.some(({ port }) => l4.must.contains("UDP", port)),
        ),
    ),
  );
}

/** The file that says the namespace in its objects: of those with policies the first, else the namespace's own. */
function fileFor(namespace: string, texts: ReadonlyMap<string, string>, parsed: ParsedTexts): string | undefined {
  // names of namespaces need no escape
  const naming = new RegExp(String.raw`\bname(?:space)?["']?\s*:\s*["']?${namespace}["']?\s*(?:[,}#\n\r]|$)`);
  let best: { readonly file: string; readonly rank: number } | undefined;
  for (const [file, text] of texts) {
    // a stream of documents takes one more; JSON does not
    if (!/\.ya?ml$/i.test(file) || !naming.test(text) || /^\s*[{[]/.test(text)) continue;
    for (const { root, kind } of parsed.objectsIn(file, text)) {
      const rank = rankOf(root, kind, namespace);
      if (rank > 0 && rank > (best?.rank ?? 0)) best = { file, rank };
    }
  }
  return best?.file;
}

function rankOf(root: YAMLMap, kind: string, namespace: string): number {
  const metadata: unknown = root.get("metadata", true);
  if (!isMap(metadata)) return 0;
  if (kind === "Namespace") return metadata.get("name") === namespace ? 2 : 0;
  if (metadata.get("namespace") !== namespace) return 0;
  return kind.endsWith("NetworkPolicy") ? 3 : 1;
}
