/** Ways in through ports of the node that containers take for themselves (`hostPort`). */
import type { Engine } from "../../engine/engine";
import type { Workload } from "../../model/snapshot";
import { podTemplateOf } from "../../readers/workloads";
import { NO, YES } from "../../model/unknown";
import { mapsOf, numberOf, textOf } from "./fields";
import { mapOf, type Fields } from "../../model/plain";
import type { Way } from "./ways";

/** Pods on the host network are nodes, whose ports are open anyway. */
export function hostPortWays(engine: Engine): Way[] {
  return engine.snapshot.workloads.flatMap((workload): Way[] => {
    if (workload.hostNetwork) return [];
    const ports = hostPortsOf(workload);
    if (ports.length === 0) return [];
    const { apiVersion, kind } = workload.object;
    const texts = ports.map(({ hostPort, protocol }) => `${textOf(protocol) ?? "TCP"} ${numberOf(hostPort) ?? "?"}`);
    return [
      {
        via: { apiVersion, kind, namespace: workload.namespace, name: workload.name },
        carrier: { kind: "client" },
        target: {
          namespace: workload.namespace,
          selects: ({ id }) => (id === workload.id ? YES : NO),
          ports: ports.map(({ containerPort, protocol }) => ({ port: containerPort, protocol })),
        },
        open: YES,
        because: [`host ports on the node it runs on: ${texts.join(", ")}`],
      },
    ];
  });
}

function hostPortsOf(workload: Workload): Fields[] {
  const spec = mapOf(podTemplateOf(workload.object)?.spec);
  return mapsOf(spec["containers"])
    .flatMap((container) => mapsOf(container["ports"]))
    .filter((port) => numberOf(port["hostPort"]) !== undefined && port["hostPort"] !== 0);
}
