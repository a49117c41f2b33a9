import { blastRadius as blastRadiusOf, TrafficSet } from "../../reachability";
import type { Snapshot } from "../../reachability";
import { knownNamespace, knownWorkload, parsePortAndProtocol } from "../ends";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { printBlastRadius, reachesOf, type Reach } from "../print/blast-radius";
import { exitCodeOf, load, note } from "../snapshot";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

export interface BlastRadiusOptions extends CommonOptions {
  readonly hops?: string;
  readonly direction: "ingress" | "egress";
  readonly port?: string;
  /** Only what is reached in these; hops may lead over others. */
  readonly namespace: readonly string[];
  readonly workload: readonly string[];
  readonly external: boolean;
}

/** `cluster-security blast-radius`: how far one gets from a workload, hop by hop. */
export async function blastRadius(
  workload: string,
  positional: readonly string[],
  options: BlastRadiusOptions,
): Promise<ExitCode> {
  const hops = options.hops === undefined ? undefined : parseHops(options.hops);
  const port = options.port === undefined ? undefined : parsePortAndProtocol(options.port);
  const loaded = await load(sourcesOf(positional, options), options);
  const { snapshot, reachability } = loaded;
  const from = knownWorkload(workload, snapshot).id;
  const shown = filterOf(options, snapshot);
  const radius = blastRadiusOf(reachability, from, {
    direction: options.direction,
    ...(hops === undefined ? {} : { hops }),
    ...port,
  });
  const found = reachesOf(radius).filter(shown);
  const reaches = loaded.holes ? found.map((each) => ({ ...each, allowed: TrafficSet.none() })) : found;
  const code = exitCodeOf([loaded], options);
  process.exitCode = code;
  const output = outputOf(options);
  output.write(printBlastRadius(reaches, options.direction, options.format));
  await output.end();
  note(summaryOf(from, found, options.direction, snapshot), options);
  return code === exitCodes.ok && loaded.holes ? exitCodes.incomplete : code;
}

function parseHops(text: string): number {
  const hops = Number(text);
  if (!/^\d+$/.test(text) || hops < 1) throw usageError(`--hops: "${text}" is no number of hops: use 1 or more`);
  return hops;
}

function filterOf(options: BlastRadiusOptions, snapshot: Snapshot): (reach: Reach) => boolean {
  const namespaces = options.namespace.map((name) => `${knownNamespace(name, snapshot)}/`);
  const workloads = new Set(options.workload.map((name) => knownWorkload(name, snapshot).id));
  const narrowed = namespaces.length > 0 || workloads.size > 0;
  return ({ end }) => {
    if (end.endsWith("[External]")) return options.external && !narrowed;
    return !narrowed || workloads.has(end) || namespaces.some((namespace) => end.startsWith(namespace));
  };
}

function summaryOf(
  from: string,
  reaches: readonly Reach[],
  direction: "ingress" | "egress",
  { workloads }: Snapshot,
): string {
  const reached = reaches.filter(({ end }) => !end.endsWith("[External]"));
  const world = reached.length < reaches.length ? ", and the world outside" : "";
  const others = Math.max(0, workloads.length - 1);
  return direction === "egress"
    ? `${from} reaches ${reached.length} of ${others} other workloads${world}`
    : `${reached.length} of ${others} other workloads reach ${from}${world}`;
}
