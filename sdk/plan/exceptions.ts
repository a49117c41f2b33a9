/** An exception between tenants as data on the policy that opens it: written by the planner, read by whoever judges it. */
import { isDay } from "./days";
import type { ModelFlow, ModelPeer } from "./model";
import { isMap } from "../reachability/model/plain";

/**
 * The exceptions between tenants that a policy opens, as JSON: one {@link DocumentedException}, or a list of them.
 * What stands in `pulumi-cluster-security/flows` is for people; a verdict rests on this annotation only.
 */
export const exceptionAnnotation = "pulumi-cluster-security/exception";

/** One side of an exception: the pods of a namespace, or of one workload in it. */
export interface ExceptionSide {
  readonly namespace: string;
  /** Name of the declared workload. Missing where the exception is for every pod of the namespace. */
  readonly workload?: string;
}

/** Ports of an exception. */
export interface ExceptionPorts {
  readonly protocol: string;
  readonly port: number;
  /** Last port of a range, inclusive. Missing for a single port. */
  readonly endPort?: number;
}

/** An exception between tenants, as it is documented on a policy. */
export interface DocumentedException {
  /** The tenant's pods that open the connection. */
  readonly from: ExceptionSide;
  /** The other tenant's pods, which accept it. */
  readonly to: ExceptionSide;
  /** What it opens. Missing where the annotation does not list it. */
  readonly ports?: readonly ExceptionPorts[];
  /** Who answers for it. */
  readonly owner: string;
  /** Why it exists. */
  readonly reason: string;
  /** Its last day, `2027-03-31`. */
  readonly expires: string;
}

/** What is written onto a policy for the exceptions among its flows; nothing where there are none. */
export function exceptionAnnotations(flows: readonly ModelFlow[]): Readonly<Record<string, string>> {
  const found = flows.flatMap((flow) => {
    const record = documentedException(flow);
    return record === undefined ? [] : [record];
  });
  return found.length === 0 ? {} : { [exceptionAnnotation]: JSON.stringify(found.length === 1 ? found[0] : found) };
}

function documentedException({ from, to, ports, owner, reason, expires }: ModelFlow): DocumentedException | undefined {
  const [source, destination] = [sideOf(from), sideOf(to)];
  if (expires === undefined || source === undefined || destination === undefined) return undefined;
  return {
    from: source,
    to: destination,
    ports: ports.map((port) => ({
      protocol: port.protocol,
      port: port.from,
      ...(port.to === port.from ? {} : { endPort: port.to }),
    })),
    owner,
    reason,
    expires,
  };
}

function sideOf(peer: ModelPeer): ExceptionSide | undefined {
  if (peer.kind === "workload") return { namespace: peer.workload.namespace, workload: peer.workload.name };
  return peer.kind === "namespace" ? { namespace: peer.namespace.name } : undefined;
}

/**
 * The exceptions that an object documents. An entry that is not complete (no sides, no owner, no reason, no valid last
 * day) documents nothing and is left out: what cannot be read exempts nothing.
 *
 * @param annotations The object's `metadata.annotations`, as read.
 */
export function documentedExceptions(annotations: unknown): readonly DocumentedException[] {
  const text = isMap(annotations) ? annotations[exceptionAnnotation] : undefined;
  if (typeof text !== "string") return [];
  const value = parse(text);
  return (Array.isArray(value) ? (value as readonly unknown[]) : [value]).flatMap((entry) => {
    const found = readException(entry);
    return found === undefined ? [] : [found];
  });
}

function readException(entry: unknown): DocumentedException | undefined {
  if (!isMap(entry)) return undefined;
  const { owner, reason, expires } = entry;
  const [from, to] = [readSide(entry["from"]), readSide(entry["to"])];
  const ports = entry["ports"] === undefined ? undefined : readPorts(entry["ports"]);
  if (from === undefined || to === undefined || ports === null) return undefined;
  if (!isText(owner) || !isText(reason) || !isText(expires) || !isDay(expires)) return undefined;
  return { from, to, ...(ports === undefined ? {} : { ports }), owner, reason, expires };
}

function readSide(value: unknown): ExceptionSide | undefined {
  if (!isMap(value) || !isText(value["namespace"])) return undefined;
  const { namespace, workload } = value;
  if (workload === undefined) return { namespace };
  return isText(workload) ? { namespace, workload } : undefined;
}

/** Null where the list is no list of ports: it would be read as "every port" otherwise. */
function readPorts(value: unknown): readonly ExceptionPorts[] | null {
  if (!Array.isArray(value)) return null;
  const read = (value as readonly unknown[]).map((item): ExceptionPorts | undefined => {
    if (!isMap(item) || !isText(item["protocol"]) || typeof item["port"] !== "number") return undefined;
    const { protocol, port, endPort } = item;
    if (endPort === undefined) return { protocol, port };
    return typeof endPort === "number" ? { protocol, port, endPort } : undefined;
  });
  const ports = read.filter((item) => item !== undefined);
  return ports.length === read.length ? ports : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}
