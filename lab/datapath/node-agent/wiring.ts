/**
 * A pod's network, as a kubelet would have it made: a network namespace, wired up by Cilium's own CNI plugin, or as Calico's
 * plugin does it.
 */
import { spawn } from "node:child_process";
import { existsSync, readlinkSync } from "node:fs";
import path from "node:path";
import { readState } from "../../control-plane/state";
import { calicoLink, connectPod } from "../calico-wiring";
import { isProgrammed } from "../felix";
import { helper } from "../helper";
import type { LabNode } from "../layout";
import { agentName, nodeLayout, podNamespace, runtimeFolder } from "../layout";
import { runIp } from "../network";
import type { Pod } from "../../nodes/objects";

/** Programs and places that wiring needs. */
export interface WiringTools {
  readonly ip: string;
  readonly nsenter: string;
  /** Cilium's CNI plugin, where Cilium runs. */
  readonly cni: string | undefined;
  readonly cniLog: string;
}

/**
 * Makes the pod's namespace and has it wired up. Returns its address.
 *
 * @param reserved The address that it gets where no plugin chooses one.
 */
export async function wire(tools: WiringTools, node: LabNode, pod: Pod, reserved: string | undefined): Promise<string> {
  const namespace = podNamespace(pod.metadata.uid);
  if (isWired(pod.metadata.uid)) await unwire(tools, node, pod);
  await runIp(tools.ip, ["netns", "add", namespace]);
  if (reserved !== undefined) {
    await connectPod(tools.ip, node, { namespace, link: linkOf(pod), address: reserved });
    return reserved;
  }
  await runIp(tools.ip, ["-n", namespace, "link", "set", "lo", "up"]);
  const result = JSON.parse(await plugin(tools, node, pod, "ADD")) as { ips?: { address?: string }[] };
  const address = result.ips?.[0]?.address?.split("/")[0];
  if (!address) throw new Error("the CNI plugin gave the pod no address");
  return address;
}

/** Milliseconds that Felix has to program the policies of a pod before it counts as ready. */
const programmedWithin = 30_000;

/**
 * Whether the pod's address must be on the API server before its policies can be programmed: Felix learns of a pod from
 * there, Cilium's plugin tells the agent.
 */
export function isAnnouncedFirst(node: LabNode, pod: Pod): boolean {
  return node.enforcer === "calico" && !pod.spec.hostNetwork;
}

/** Resolves once Felix has programmed the policies of a pod. */
export async function untilProgrammed(node: LabNode, pod: Pod): Promise<void> {
  const deadline = Date.now() + programmedWithin;
  while (!isProgrammed(node, linkOf(pod))) {
    if (Date.now() >= deadline) throw new Error("Felix does not program the policies of the pod");
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

function linkOf({ metadata }: Pod): string {
  return calicoLink(metadata.namespace, metadata.name);
}

/** Whether the pod's namespace is there. */
export function isWired(uid: string): boolean {
  return existsSync(path.join("/run/netns", podNamespace(uid)));
}

/** Takes the pod's network down. Fine where it is gone already. */
export async function unwire(tools: WiringTools, node: LabNode, pod: Pod): Promise<void> {
  const namespace = podNamespace(pod.metadata.uid);
  await helper.close(namespace);
  if (!isWired(pod.metadata.uid)) return;
  // the specification asks DEL to succeed where nothing is left to delete; the namespace goes either way
  if (node.enforcer !== "calico") {
    await plugin(tools, node, pod, "DEL").catch((error: unknown) => console.error(error));
  }
  await runIp(tools.ip, ["netns", "delete", namespace]);
}

/** One call of the plugin (CNI specification 1.0.0), in the network and with the mounts of the node's agent. */
function plugin(tools: WiringTools, node: LabNode, pod: Pod, command: "ADD" | "DEL"): Promise<string> {
  const { cni } = tools;
  if (cni === undefined) return Promise.reject(new Error("the lab has no CNI plugin here"));
  const agent = readState(runtimeFolder)?.processes[agentName(node)];
  if (!agent || !hasOwnMounts(agent.pid)) return Promise.reject(new Error(`no agent runs on ${node.name}`));
  const { name, namespace, uid } = pod.metadata;
  const settings = { cniVersion: "1.0.0", name: "cilium", type: "cilium-cni", "log-file": tools.cniLog };
  const about = [`K8S_POD_NAMESPACE=${namespace}`, `K8S_POD_NAME=${name}`, `K8S_POD_UID=${uid}`];
  const child = spawn(tools.nsenter, ["--target", String(agent.pid), "--mount", "--net", cni], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH ?? "",
      CNI_COMMAND: command,
      CNI_CONTAINERID: uid.replaceAll("-", ""),
      CNI_NETNS: path.join("/run/netns", podNamespace(uid)),
      CNI_IFNAME: "eth0",
      CNI_PATH: path.dirname(cni),
      CNI_ARGS: ["IgnoreUnknown=1", ...about].join(";"),
      CILIUM_SOCK: nodeLayout(node).agentSocket,
    },
  });
  return new Promise((resolve, reject) => {
    let output = "";
    let errors = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => void (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => void (errors += text));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`CNI ${command} for ${namespace}/${name}: ${output || errors}`));
    });
    child.stdin.end(JSON.stringify(settings));
  });
}

/**
 * Whether the process has made the mounts of its own by now. Before that and after its end the plugin would find the
 * machine's own /run/cilium, and would leave there what it wants to delete later.
 */
function hasOwnMounts(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`) !== readlinkSync("/proc/self/ns/mnt");
  } catch {
    return false;
  }
}
