/** Encryption between nodes: the kernel's WireGuard, or one of user space where the kernel has none. */
import path from "node:path";
import { run } from "../toolchain/run";
import type { LabNode } from "./layout";
import { nodeLayout } from "./layout";

/** What encrypts. The agent is the same and is told the same in both cases. */
export type Wireguard =
  | { readonly kind: "kernel" }
  /** The protocol's own implementation in Go (golang.zx2c4.com/wireguard) behind a TUN device. */
  | { readonly kind: "user-space"; readonly kernelSays: string };

/** Name of the device, as the agent expects it. */
export const wireguardDevice = "cilium_wg0";

/** UDP port that the agent has it listen on. */
export const wireguardPort = 51_871;

/** Where the device of user space is configured. */
export function wireguardSocket(node: LabNode): string {
  return path.join(nodeLayout(node).wireguard, `${wireguardDevice}.sock`);
}

/** Why the kernel makes no WireGuard device, in its own words; undefined where it makes one. Nothing is left behind. */
export async function kernelRefusesWireguard(ip: string, node: LabNode): Promise<string | undefined> {
  const link = "cslab-try";
  const made = await run(ip, ["-n", node.namespace, "link", "add", link, "type", "wireguard"], { timeout: 20_000 });
  if (made.code !== 0) return made.stderr.trim().replace(/^Error: /, "");
  await run(ip, ["-n", node.namespace, "link", "delete", link], { timeout: 20_000 });
  return undefined;
}
