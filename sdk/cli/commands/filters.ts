import { TrafficSet } from "../../reachability";
import type { MatrixEntry, MatrixOptions, Snapshot } from "../../reachability";
import { knownNamespace, knownWorkload, type parsePortAndProtocol } from "../ends";
import { usageError } from "../errors";

/** What narrows a matrix. */
export interface FilterOptions {
  readonly namespace: readonly string[];
  readonly workload: readonly string[];
  readonly port?: string;
  readonly direction?: "ingress" | "egress" | "both";
  /** False: without the addresses outside the cluster. */
  readonly external: boolean;
}

/** @throws CliError for a direction of nothing. */
export function checkDirection(options: FilterOptions): void {
  const narrowed = options.namespace.length > 0 || options.workload.length > 0;
  if (options.direction !== undefined && options.direction !== "both" && !narrowed) {
    throw usageError(
      "--direction tells whether --namespace or --workload is the source or the destination: add one of them (ingress: the destination)",
    );
  }
}

/** The engine's filters for what the user asked. Names must be in one of the snapshots, or they are mistakes. */
export function matrixOptions(
  options: FilterOptions,
  snapshots: readonly Snapshot[],
  port: ReturnType<typeof parsePortAndProtocol> | undefined,
): MatrixOptions {
  const namespaces = options.namespace.map((name) => inAny(snapshots, (snapshot) => knownNamespace(name, snapshot)));
  const workloads = options.workload.map((name) => inAny(snapshots, (snapshot) => knownWorkload(name, snapshot).id));
  const end = { ingress: "destination", egress: "source", both: undefined } as const;
  const which = end[options.direction ?? "both"];
  return {
    ...(namespaces.length > 0 ? { namespaces } : {}),
    ...(workloads.length > 0 ? { workloads } : {}),
    ...(which === undefined ? {} : { end: which }),
    ...(port === undefined ? {} : { protocol: port.protocol }),
    ...(port?.port === undefined ? {} : { port: port.port }),
    external: options.external,
  };
}

/** The answer of the first snapshot that has one; the last one's complaint where none has. */
function inAny<T>(snapshots: readonly Snapshot[], look: (snapshot: Snapshot) => T): T {
  let complaint: unknown;
  for (const snapshot of snapshots) {
    try {
      return look(snapshot);
    } catch (error) {
      complaint = error;
    }
  }
  throw complaint;
}

/** Something could not be read: what is computed as allowed may be closed by it. */
export function* possibleOnly(entries: Iterable<MatrixEntry>): Iterable<MatrixEntry> {
  for (const entry of entries) yield { ...entry, allowed: TrafficSet.none() };
}
