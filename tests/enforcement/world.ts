/** A cluster that is put up on the lab for a set of policies, and the probes that are tried in it. */
import type { LabCluster, LabObject, LabProbe, PodWish } from "../../lab/datapath/index";
import { world as outside } from "../../lab/datapath/index";

export interface LabWorld {
  readonly namespaces: readonly { readonly name: string; readonly labels?: Readonly<Record<string, string>> }[];
  readonly pods: readonly PodWish[];
  /** What policies refer to: Services and EndpointSlices. */
  readonly objects?: readonly LabObject[];
}

/** Ports that are tried between pods: those that the random policies name, and one that some of them leave out. */
const betweenPods = [
  { port: 80, protocol: "tcp" },
  { port: 443, protocol: "tcp" },
  { port: 8080, protocol: "tcp" },
  { port: 8081, protocol: "tcp" },
  { port: 53, protocol: "udp" },
] as const;

/** Makes namespaces, pods and what else there is; an earlier world is taken down first. */
export async function putUp(cluster: LabCluster, world: LabWorld, earlier?: LabWorld): Promise<void> {
  if (earlier) await takeDown(cluster, earlier);
  for (const { name, labels } of world.namespaces) await cluster.namespace(name, labels);
  await cluster.addPods(world.pods);
  await cluster.apply(world.objects ?? []);
}

/** Removes the pods and objects of a world; its namespaces stay. */
export async function takeDown(cluster: LabCluster, { pods, objects = [] }: LabWorld): Promise<void> {
  await cluster.remove(objects);
  await cluster.removePods(pods);
}

/** Every pair of pods, every pod and the world both ways, every pod and its node both ways. */
export function allProbes(world: LabWorld): LabProbe[] {
  const pods = world.pods.map(({ namespace, name }) => `${namespace}/${name}`);
  const pairs = pods.flatMap((from) => pods.filter((to) => to !== from).map((to) => ({ from, to })));
  return [
    ...pairs.flatMap((pair) => betweenPods.map((point) => ({ ...pair, ...point }))),
    ...pods.flatMap((from) =>
      outside.addresses.flatMap((to) => [80, 443].map((port) => ({ from, to, port, protocol: "tcp" as const }))),
    ),
    ...outside.addresses.flatMap((address) =>
      pods.map((to) => ({ from: `world:${address}`, to, port: 80, protocol: "tcp" as const })),
    ),
    ...pods.flatMap((pod): LabProbe[] => [
      { from: "node", to: pod, port: 80, protocol: "tcp" },
      { from: pod, to: "node", port: 80, protocol: "tcp" },
    ]),
  ];
}

/** `shop/web to shop/db 5432/tcp` */
export function describeProbe({ from, to, port, protocol, name }: LabProbe): string {
  return `${from} to ${to} ${port}/${protocol}${name === undefined ? "" : ` ${name}`}`;
}

/** Whether a policy has HTTP rules: they need Envoy, which the lab has not. */
export function needsEnvoy(policy: LabObject): boolean {
  return JSON.stringify(policy).includes('"http":');
}
