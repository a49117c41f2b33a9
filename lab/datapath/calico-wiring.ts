/** A pod's network as Calico's CNI plugin makes it: a link with a name that Felix computes too, and a route by it. */
import { createHash } from "node:crypto";
import { helper } from "./helper";
import type { LabNode } from "./layout";
import { runIp } from "./network";

/** The pod's next hop, which no interface has, and the hardware address that every host side has. */
const nextHop = "169.254.1.1";
const hardwareAddress = "ee:ee:ee:ee:ee:ee";

/**
 * Name of the host side of a pod's link: `cali` and the first 11 hexadecimal digits of the SHA-1 of NAMESPACE.NAME
 * (libcalico-go, VethNameForWorkload).
 */
export function calicoLink(namespace: string, name: string): string {
  return `cali${createHash("sha1").update(`${namespace}.${name}`).digest("hex").slice(0, 11)}`;
}

/** An address of the node's range that nobody has; the first and the last are nobody's. */
export function freeAddress(node: LabNode, taken: Iterable<string | undefined>): string {
  const used = new Set(taken);
  const prefix = node.podCidr.replace(/0\/24$/, "");
  for (let last = 10; last < 254; last++) if (!used.has(`${prefix}${last}`)) return `${prefix}${last}`;
  throw new Error(`${node.name} has no address left`);
}

/** Connects a network namespace to its node. Felix makes the route to it. */
export async function connectPod(
  ip: string,
  node: LabNode,
  pod: { readonly namespace: string; readonly link: string; readonly address: string },
): Promise<void> {
  const { namespace, link, address } = pod;
  const inPod = (...args: string[]): Promise<string> => runIp(ip, ["-n", namespace, ...args]);
  await inPod("link", "set", "lo", "up");
  await inPod(
    ...["link", "add", "eth0", "type", "veth"],
    ...["peer", "name", link, "netns", node.namespace, "address", hardwareAddress],
  );
  await inPod("addr", "add", `${address}/32`, "dev", "eth0");
  await inPod("link", "set", "eth0", "up");
  await runIp(ip, ["-n", node.namespace, "link", "set", link, "up"]);
  await inPod("route", "add", nextHop, "dev", "eth0", "scope", "link");
  await inPod("route", "add", "default", "via", nextHop);
  await inPod("neigh", "replace", nextHop, "lladdr", hardwareAddress, "dev", "eth0", "nud", "permanent");
  // the link to the node is the pod's only one: nothing of IPv6 is asked for over it
  await helper.settings(namespace, { "ipv6/conf/all/disable_ipv6": "1" }).catch(() => undefined);
}
