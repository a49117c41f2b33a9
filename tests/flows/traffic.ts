/** What a recorder writes while everything that a declaration declares is used. */
import { Entity } from "../../sdk/plan/index";
import type { ClusterSecurityDeclaration, PlannedFlow, PlannedPeer } from "../../sdk/plan/index";
import type { Model, ModelWorkload } from "../../sdk/plan/model";
import { plannedFlows } from "../../sdk/plan/plan";
import { resolve } from "../../sdk/plan/resolve/resolve";
import { hubble } from "./lines";

/** One end as Hubble writes it, and the words that a learnt declaration should have for it. */
interface Sent {
  readonly end: object;
  readonly address: string;
  readonly names?: readonly string[];
  readonly word: string;
  readonly isHeld: boolean;
}

/** Lines, and what they are of: `shop/web > shop/db TCP 5432`. */
export interface Traffic {
  readonly lines: readonly string[];
  readonly sent: ReadonlySet<string>;
}

/** Every declared flow `times` times, a minute apart, as both ends record it. */
export function trafficOf(declaration: ClusterSecurityDeclaration, times = 2): Traffic {
  const model = resolve(declaration);
  const lines: string[] = [];
  const sent = new Set<string>();
  let port = 40_000;
  for (const flow of plannedFlows(model)) {
    for (const { from, to } of pairsOf(model, flow)) {
      // nothing is held at either end, or the node lets it in by itself
      if (!from.isHeld && !to.isHeld) continue;
      for (const { protocol, from: number } of flow.ports) {
        if (flow.to.kind !== "metadata" && !isDns(model, flow))
          sent.add(`${from.word} > ${to.word} ${protocol} ${number}`);
        for (let time = 0; time < times; time += 1) {
          port += 1;
          for (const direction of ["EGRESS", "INGRESS"] as const) {
            const l4 = {
              [protocol]: {
                source_port: port,
                destination_port: number,
                ...(protocol === "TCP" ? { flags: { SYN: true } } : {}),
              },
            };
            lines.push(
              hubble({
                reply: false,
                direction,
                l4,
                source: from.end,
                destination: to.end,
                ip: { source: from.address, destination: to.address },
                time: new Date(
                  Date.parse("2026-11-28T00:00:00Z") + time * 24 * 3_600_000 + lines.length * 1000,
                ).toISOString(),
                more: { destination_names: to.names ?? [] },
              }),
            );
          }
        }
      }
    }
  }
  return { lines, sent };
}

function isDns(model: Model, { to, ports }: PlannedFlow): boolean {
  const { namespace, labels } = model.dns;
  const isServer = (workload: ModelWorkload): boolean =>
    workload.namespace === namespace && Object.entries(labels).every(([key, value]) => workload.labels[key] === value);
  return (
    to.kind === "workload" &&
    ports.every(({ from }) => from === model.dns.port) &&
    [...model.workloads.values()].some(
      (each) => each.name === to.name && each.namespace === to.namespace && isServer(each),
    )
  );
}

function pairsOf(model: Model, { from, to }: PlannedFlow): { from: Sent; to: Sent }[] {
  return sentBy(model, from).flatMap((source) =>
    // whoever opens connections to the internet meets addresses
    sentBy(model, to).map((destination) => ({
      from: source,
      to: { ...destination, word: destination.word.replace("internet", `cidr ${destination.address}/32`) },
    })),
  );
}

function sentBy(model: Model, peer: PlannedPeer): Sent[] {
  switch (peer.kind) {
    case "workload":
    case "namespace":
      return [...model.workloads.values()]
        .filter((each) => each.namespace === peer.namespace && (peer.kind === "namespace" || each.name === peer.name))
        .map((each) => podOf(model, each));
    case "fqdn": {
      const name = peer.name.replace("**.", "a.b.").replaceAll("*", "x");
      return [{ ...outside("198.51.100.7", `fqdn ${name}`), names: [name] }];
    }
    case "cidr": {
      const [address = ""] = peer.cidr.split("/");
      return [outside(address, `cidr ${address}/${address.includes(":") ? 128 : 32}`)];
    }
    case "metadata":
      return [];
    case "entity":
      return entity(peer.entity);
  }
}

function entity(of: Entity): Sent[] {
  switch (of) {
    case Entity.Internet:
      return ["1.1.1.1", "8.8.8.8", "9.9.9.9", "4.4.4.4", "5.5.5.5"].map((address) => outside(address, "internet"));
    case Entity.KubeApiserver:
      return [
        {
          end: { labels: ["reserved:kube-apiserver", "reserved:remote-node"] },
          address: "192.168.0.2",
          word: of,
          isHeld: false,
        },
      ];
    case Entity.Nodes:
      return [
        { end: { identity: 6, labels: ["reserved:remote-node"] }, address: "192.168.0.3", word: of, isHeld: false },
      ];
    case Entity.Ingress:
      return [{ end: { identity: 8, labels: ["reserved:ingress"] }, address: "10.244.0.3", word: of, isHeld: false }];
  }
}

function outside(address: string, word: string): Sent {
  return { end: { identity: 2, labels: ["reserved:world"] }, address, word, isHeld: false };
}

function podOf(model: Model, { id, name, namespace, labels, serviceAccount, hostNetwork }: ModelWorkload): Sent {
  if (hostNetwork) return entity(Entity.Nodes)[0] as Sent;
  return {
    end: {
      namespace,
      labels: [
        ...Object.entries(labels).map(([key, value]) => `k8s:${key}=${value}`),
        `k8s:io.kubernetes.pod.namespace=${namespace}`,
        `k8s:io.cilium.k8s.policy.serviceaccount=${serviceAccount ?? "default"}`,
      ],
      pod_name: `${name}-5d4b9c7f6d-bcdfg`,
    },
    address: `10.244.1.${[...model.workloads.keys()].indexOf(id) + 10}`,
    word: id,
    isHeld: !model.exempt.includes(namespace),
  };
}
