/** A new service in a declaration's text: its workload, and the flows to it and from it. Comments and order are kept. */
import { isMap, parseDocument } from "yaml";
import type { FlowDeclaration, PeerDeclaration, PortDeclaration, WorkloadDeclaration } from "../../plan";
import { inputError } from "../errors";
import { withItem } from "./list-item";

/** What is added. */
export interface NewService {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount?: string;
  /** Of its pods; `app: <name>` where none are given. */
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly PortDeclaration[];
  /** Who calls it, on all its ports. */
  readonly callers: readonly PeerDeclaration[];
  /** What it calls. */
  readonly called: readonly { readonly peer: PeerDeclaration; readonly port: PortDeclaration }[];
  readonly reason: string;
  readonly owner: string;
}

/**
 * The text with the service added.
 *
 * @throws CliError where the text is no map, or has the workload already.
 */
export function withService(text: string, file: string, service: NewService): string {
  const document = parseDocument(text);
  if (document.errors.length > 0 || !isMap(document.contents)) {
    throw inputError(`"${file}" is no declaration that can be edited: it has to be one YAML or JSON object`);
  }
  const declared = document.toJS() as Lists;
  const { namespace, name } = service;
  if (has(declared, "workloads", (one) => one["name"] === name && one["namespace"] === namespace)) {
    throw inputError(`"${file}" has a workload ${namespace}/${name} already: edit it there`);
  }
  const isKnown = has(declared, "namespaces", (one) => one["name"] === namespace);
  const items: readonly (readonly [key: string, item: object])[] = [
    ...(isKnown ? [] : [["namespaces", { name: namespace }] as const]),
    ["workloads", workloadOf(service)],
    ...flowsOf(service).map((flow) => ["flows", flow] as const),
  ];
  if (!file.endsWith(".json")) return items.reduce((all, [key, item]) => withItem(all, key, item), text);
  for (const [key, item] of items) declared[key] = [...(declared[key] ?? []), item as Item];
  return `${JSON.stringify(declared, undefined, 2)}\n`;
}

type Item = Readonly<Record<string, unknown>>;
type Lists = Record<string, readonly Item[] | undefined>;

function workloadOf({ namespace, name, labels, serviceAccount, ports }: NewService): WorkloadDeclaration {
  return {
    name,
    namespace,
    ...(Object.keys(labels).length === 0 ? {} : { labels: { ...labels } }),
    ...(serviceAccount === undefined ? {} : { serviceAccount }),
    ...(ports.length === 0 ? {} : { ports: [...ports] }),
  };
}

/** The flows of the service: those of its callers first. */
function flowsOf({ namespace, name, ports, callers, called, reason, owner }: NewService): FlowDeclaration[] {
  const own: PeerDeclaration = { workload: `${namespace}/${name}` };
  return [
    ...callers.map((from): FlowDeclaration => ({ from, to: own, ports: [...ports].map(bare), reason, owner })),
    ...called.map(({ peer, port }): FlowDeclaration => ({ from: own, to: peer, ports: [port], reason, owner })),
  ];
}

/** A port as a flow states it: names belong to the workload. */
function bare({ port, protocol }: PortDeclaration): PortDeclaration {
  return { ...(port === undefined ? {} : { port }), ...(protocol === undefined ? {} : { protocol }) };
}

function has(declared: Lists, key: string, test: (item: Item) => boolean): boolean {
  const items = declared[key];
  return Array.isArray(items) && (items as readonly Item[]).some(test);
}
