import type { Peer } from "../model/verdicts";

/**
 * Source or destination of a flow as text, in the notation of the matrix and of the command line: `shop/web[Deployment]`,
 * `new@shop`, `203.0.113.7`, `node`, `local-node`, `kube-apiserver`, `api.example.com`.
 */
export function describeEnd(peer: Peer): string {
  switch (peer.kind) {
    case "workload":
      return peer.pod === undefined ? peer.id : `${peer.id.slice(0, peer.id.indexOf("/"))}/${peer.pod}[Pod]`;
    case "freshPod": {
      const labels = Object.entries(peer.labels ?? {}).map(([key, value]) => `,${key}=${value}`);
      const account = peer.serviceAccount === undefined ? "" : `/${peer.serviceAccount}`;
      return `new@${peer.namespace}${account}${labels.join("")}`;
    }
    case "address":
      return peer.address;
    case "node":
      if (peer.where === "local") return "local-node";
      return peer.address === undefined ? "node" : `node@${peer.address}`;
    case "kubeApiserver":
      return "kube-apiserver";
    case "fqdn":
      return peer.name;
  }
}
