/**
 * The network that the lab makes: a namespace for each node and one for the world, joined by a bridge inside the world.
 * None of it has a link to the machine's own network, so no probe can leave the machine.
 */
import { readdirSync } from "node:fs";
import { run } from "../toolchain/run";
import { DatapathError } from "./errors";
import { helper } from "./helper";
import type { LabNode } from "./layout";
import { clusterCidr, namespacePrefix, world } from "./layout";

/** Runs `ip`. @throws DatapathError "failed" with its own words */
export async function runIp(ip: string, args: readonly string[]): Promise<string> {
  const result = await run(ip, args, { timeout: 20_000 });
  if (result.code !== 0) throw new DatapathError("failed", `ip ${args.join(" ")}: ${result.stderr.trim()}`);
  return result.stdout;
}

/** Makes the world and the nodes. The helper must run, and what an earlier run left must be gone. */
export async function makeNetwork(ip: string, nodes: readonly LabNode[]): Promise<void> {
  const inWorld = (...args: string[]): Promise<string> => runIp(ip, ["-n", world.namespace, ...args]);
  await runIp(ip, ["netns", "add", world.namespace]);
  await inWorld("link", "set", "lo", "up");
  await inWorld("link", "add", "wire", "type", "bridge");
  await inWorld("addr", "add", `${world.router}/24`, "dev", "wire");
  await inWorld("link", "set", "wire", "up");
  for (const address of world.addresses) await inWorld("addr", "add", `${address}/32`, "dev", "lo");
  for (const [index, node] of nodes.entries()) {
    const inNode = (...args: string[]): Promise<string> => runIp(ip, ["-n", node.namespace, ...args]);
    const port = wirePort(index);
    await runIp(ip, ["netns", "add", node.namespace]);
    await inNode("link", "set", "lo", "up");
    await runIp(ip, [
      ...["-n", node.namespace, "link", "add", "eth0", "type", "veth"],
      ...["peer", "name", port, "netns", world.namespace],
    ]);
    await inNode("addr", "add", `${node.address}/24`, "dev", "eth0");
    await inNode("link", "set", "eth0", "up");
    await inWorld("link", "set", port, "master", "wire");
    await inWorld("link", "set", port, "up");
    await inNode("route", "add", "default", "via", world.router);
    await inWorld("route", "add", node.podCidr, "via", node.address);
    const noSourceCheck = ["all", "default", "eth0"].map((scope) => [`ipv4/conf/${scope}/rp_filter`, "0"]);
    await helper.settings(node.namespace, { "ipv4/ip_forward": "1", ...Object.fromEntries(noSourceCheck) });
  }
  await runIp(ip, ["-n", world.namespace, "route", "replace", "unreachable", clusterCidr]);
}

/** Plain routes from each node to the pods of the others, as Calico's routing daemon makes them where nothing is tunnelled. */
export async function routeBetween(ip: string, nodes: readonly LabNode[]): Promise<void> {
  for (const node of nodes) {
    for (const other of nodes.filter((each) => each !== node)) {
      await runIp(ip, ["-n", node.namespace, "route", "replace", other.podCidr, "via", other.address]);
    }
  }
}

/** The link in the world's namespace through which everything passes that node `index` sends to or gets from outside. */
export function wirePort(index: number): string {
  return `node${index + 1}`;
}

/** Network namespaces of the lab that exist now. */
export function labNamespaces(): string[] {
  try {
    return readdirSync("/run/netns").filter((name) => name.startsWith(namespacePrefix));
  } catch {
    return [];
  }
}

/** Removes every network namespace of the lab; the links between them go with them. */
export async function removeNetwork(ip: string): Promise<void> {
  for (const name of labNamespaces()) await runIp(ip, ["netns", "delete", name]);
}
