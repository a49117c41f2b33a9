/**
 * Scenarios as tests of netassert v2 (github.com/controlplaneio/netassert, README "Test specification"): it starts a
 * container in a pod of the source, and compares how that ends.
 */
import { dump } from "js-yaml";
import { describeEnd } from "../../reachability";
import type { Flow, Peer, Workload } from "../../reachability";
import { describeScenario } from "../../scenarios";
import type { FoundScenario } from "../scenarios-file";

/** Kinds of workloads that netassert finds the pods of. */
const kinds: ReadonlySet<string> = new Set(["deployment", "statefulset", "daemonset", "pod"]);

interface Resource {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
}

type Destination = { readonly k8sResource: Resource } | { readonly host: { readonly name: string } };

/** What netassert cannot say is left out, and named in a comment. */
export interface NetassertTests {
  readonly text: string;
  readonly left: readonly string[];
}

/** @param kindOf The kind of a workload's controller, where it is not the one that was read. */
export function netassertTests(
  found: readonly FoundScenario[],
  workloads: readonly Workload[],
  kindOf: (workload: Workload) => string = ({ kind }) => kind,
): NetassertTests {
  const left: string[] = [];
  const tests = new Map<string, object>();
  const byId = new Map(workloads.map((workload) => [workload.id, workload]));
  for (const { scenario, flow } of found) {
    if (scenario.packets === false && scenario.expect === "denied" && flow.destination.kind === "address") {
      left.push(`${describeScenario(scenario)}: nobody is known to answer there, and silence would pass for a denial`);
      continue;
    }
    for (const port of portsOf(flow, byId)) {
      const ends = endsOf({ ...flow, port }, byId, kindOf);
      if (typeof ends === "string") {
        left.push(`${describeScenario(scenario)}: ${ends}`);
        continue;
      }
      const name = `${describeEnd(flow.source)} to ${describeEnd(flow.destination)} ${flow.protocol} ${port} is ${scenario.expect}`;
      tests.set(name, {
        name,
        type: "k8s",
        protocol: flow.protocol.toLowerCase(),
        targetPort: port,
        timeoutSeconds: 67,
        attempts: 3,
        exitCode: scenario.expect === "allowed" ? 0 : 1,
        ...ends,
      });
    }
  }
  const comments = left.map((line) => `# left out: ${line.replaceAll(/[\r\n\u0085\u2028\u2029]+/g, " ")}\n`).join("");
  return { text: `${comments}${dump([...tests.values()], { lineWidth: -1, noRefs: true })}`, left };
}

/** A denied connection without a port stands for each port of the workload. */
function portsOf({ port, destination }: Flow, byId: ReadonlyMap<string, Workload>): readonly (number | undefined)[] {
  if (port !== undefined) return [port];
  const workload = destination.kind === "workload" ? byId.get(destination.id) : undefined;
  const ports = workload?.ports.filter(({ protocol }) => protocol === "TCP").map((each) => each.port) ?? [];
  return ports.length > 0 ? ports : [undefined];
}

/** Why netassert cannot say it, as a sentence, where it cannot. */
function endsOf(
  { source, destination, protocol, port }: Flow,
  byId: ReadonlyMap<string, Workload>,
  kindOf: (workload: Workload) => string,
): { readonly src: { readonly k8sResource: Resource }; readonly dst: Destination } | string {
  if (protocol !== "TCP" && protocol !== "UDP") return `netassert knows TCP and UDP only`;
  if (port === undefined) return "it names no port";
  const from = resourceOf(source, byId, kindOf);
  if (from === undefined) return "netassert starts at pods of a Deployment, StatefulSet, DaemonSet, or at a Pod";
  if (destination.kind === "address" || destination.kind === "fqdn") {
    if (protocol === "UDP") return "netassert sends UDP to pods only";
    const name = destination.kind === "address" ? destination.address : destination.name;
    return { src: { k8sResource: from }, dst: { host: { name } } };
  }
  const to = resourceOf(destination, byId, kindOf);
  if (to === undefined) return `netassert cannot name ${describeEnd(destination)}`;
  return { src: { k8sResource: from }, dst: { k8sResource: to } };
}

function resourceOf(
  peer: Peer,
  byId: ReadonlyMap<string, Workload>,
  kindOf: (workload: Workload) => string,
): Resource | undefined {
  const workload = peer.kind === "workload" ? byId.get(peer.id) : undefined;
  if (workload === undefined) return undefined;
  if (peer.kind === "workload" && peer.pod !== undefined)
    return { kind: "pod", name: peer.pod, namespace: workload.namespace };
  const kind = kindOf(workload).toLowerCase();
  return kinds.has(kind) ? { kind, name: workload.name, namespace: workload.namespace } : undefined;
}
