/**
 * The sentinel of a node: a link that looks like a pod's and is none. Felix drops what comes from such a link, in either
 * mode, for as long as its rules are in the kernel. A packet from there that arrives shows that they are gone.
 */
import { DatapathError } from "./errors";
import type { RawOutcome, RawProbe } from "./helper";
import { helper } from "./helper";
import type { LabNode } from "./layout";
import { sentinelNamespace, world } from "./layout";
import { calicoLink, connectPod } from "./calico-wiring";
import { runIp } from "./network";

/** No pod gets it; see `calico-wiring.ts`. */
export function sentinelAddress(node: LabNode): string {
  return node.podCidr.replace(/\.0\/24$/, ".254");
}

/** @param ip The program of iproute2. */
export async function makeSentinel(ip: string, node: LabNode): Promise<void> {
  const namespace = sentinelNamespace(node);
  await runIp(ip, ["netns", "add", namespace]);
  const link = calicoLink("", namespace);
  const address = sentinelAddress(node);
  await connectPod(ip, node, { namespace, link, address });
  // else Felix's check of source addresses would drop its packets, whatever becomes of the rules of policies; it removes
  // routes of the protocol `boot` that are not its own, which is the default here
  const route = ["route", "replace", address, "dev", link, "scope", "link", "proto", "static"];
  await runIp(ip, ["-n", node.namespace, ...route]);
}

const port = 9;

/** What is sent from the sentinels of these nodes. */
export function sentinelProbes(nodes: readonly LabNode[]): readonly RawProbe[] {
  return nodes.filter(hasSentinel).map((node) => ({
    ...{ from: sentinelNamespace(node), bind: "", to: world.namespace, address: world.router },
    ...{ port, protocol: "udp" as const, name: "" },
  }));
}

/** @throws DatapathError "failed" where a packet of theirs has arrived, or none was sent */
export function judgeSentinels(nodes: readonly LabNode[], outcomes: readonly RawOutcome[]): void {
  for (const [index, node] of nodes.filter(hasSentinel).entries()) {
    const outcome = outcomes[index];
    if (outcome === undefined || outcome.verdict === "error") {
      const why = outcome?.reason ?? "nothing was sent";
      throw new DatapathError("failed", `whether ${node.name} enforces anything cannot be told: ${why}`);
    }
    if (outcome.delivered) {
      throw new DatapathError(
        "failed",
        `Felix's rules are gone from ${node.name}: what they must drop passes. What was measured proves nothing.`,
      );
    }
  }
}

/** Sends from every sentinel and judges. @throws DatapathError "failed" */
export async function checkSentinels(nodes: readonly LabNode[]): Promise<void> {
  const probes = sentinelProbes(nodes);
  if (probes.length > 0) judgeSentinels(nodes, await helper.probe(probes, 300, probes.length));
}

function hasSentinel({ enforcer }: LabNode): boolean {
  return enforcer === "calico";
}
