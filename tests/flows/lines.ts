/** Lines as recorders write them. */

export interface HubbleFlow {
  readonly verdict?: string | number;
  readonly event?: number;
  readonly direction?: "EGRESS" | "INGRESS";
  readonly reply?: boolean;
  readonly reason?: string;
  readonly l4?: object;
  readonly time?: string;
  readonly more?: object;
  readonly source?: object;
  readonly destination?: object;
  readonly ip?: object;
}

export const web = {
  identity: 20031,
  namespace: "shop",
  labels: [
    "k8s:app=web",
    "k8s:pod-template-hash=5d4b9c7f6d",
    "k8s:io.kubernetes.pod.namespace=shop",
    "k8s:io.cilium.k8s.policy.serviceaccount=web",
    "k8s:io.cilium.k8s.namespace.labels.team=a",
  ],
  pod_name: "web-5d4b9c7f6d-abcde",
};
export const db = {
  identity: 21007,
  namespace: "shop",
  labels: ["k8s:app=db", "k8s:io.kubernetes.pod.namespace=shop"],
  pod_name: "db-0",
};

export const tcp = (port: number, from = 43210): object => ({
  TCP: { source_port: from, destination_port: port, flags: { SYN: true } },
});

/** A policy verdict of web towards db, as Cilium exports it, unless told otherwise. */
export function hubble(flow: HubbleFlow = {}): string {
  const { verdict = "FORWARDED", event = 5, direction = "EGRESS", reply, reason, l4 = tcp(5432) } = flow;
  const time = flow.time ?? "2026-11-28T10:00:00.000000001Z";
  return JSON.stringify({
    flow: {
      time,
      verdict,
      IP: flow.ip ?? { source: "10.244.0.12", destination: "10.244.1.7", ipVersion: "IPv4" },
      l4,
      source: flow.source ?? web,
      destination: flow.destination ?? db,
      Type: "L3_L4",
      node_name: "default/node-1",
      event_type: { type: event },
      traffic_direction: direction,
      ...(reply === undefined ? {} : { is_reply: reply }),
      ...(reason === undefined ? {} : { drop_reason_desc: reason }),
      ...flow.more,
    },
    node_name: "default/node-1",
    time,
  });
}

/** One of Goldmane's flows, as its emitter posts it, unless told otherwise. */
export function goldmane(key: object = {}, more: object = {}): string {
  return JSON.stringify({
    Key: {
      source_name: "web-5d4b9c7f6d-*",
      source_namespace: "shop",
      source_type: 1,
      dest_name: "db-*",
      dest_namespace: "shop",
      dest_type: 1,
      dest_port: 5432,
      proto: "tcp",
      reporter: 1,
      action: 1,
      policies: { enforced_policies: [], pending_policies: [] },
      ...key,
    },
    start_time: 1795860000,
    end_time: 1795860015,
    source_labels: ["app=web", "projectcalico.org/namespace=shop"],
    dest_labels: ["app=db"],
    num_connections_started: 12,
    ...more,
  });
}

/** A line of ztunnel's access log. */
export function ztunnel(more = ""): string {
  return (
    '2026-11-28T10:00:00.000000Z\tinfo\taccess\tconnection complete\tsrc.addr=10.244.0.12:43210 src.workload="web-5d4b9c7f6d-abcde" ' +
    'src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" dst.addr=10.244.1.7:15008 ' +
    `dst.hbone_addr=10.244.1.7:5432 dst.workload="db-0" dst.namespace="shop" direction="inbound" bytes_sent=1${more}`
  );
}
