/** The line of a declaration that lets a recorded flow pass. */
import type { Peer } from "../reachability";
import type { ReplayedFlow } from "./replay";

const ports: Readonly<Partial<Record<ReplayedFlow["protocol"], string>>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

/**
 * `flow("shop/web").to("shop/db").on(tcp(5432))`. Who owns the flow and why it is needed is for a person to say.
 *
 * @returns Undefined where a declaration has no word for an end or the protocol.
 */
export function declarationLine({ source, destination, names, protocol, port }: ReplayedFlow): string | undefined {
  const from = source.kind === "workload" ? quoted(source.id) : undefined;
  const [name] = names;
  const to = name === undefined ? endOf(destination) : `fqdn(${JSON.stringify(name)})`;
  const on = ports[protocol];
  if (from === undefined || to === undefined || on === undefined) return undefined;
  return `flow(${from}).to(${to}).on(${on}(${port}))`;
}

function endOf(end: ReplayedFlow["destination"]): string | undefined {
  switch (end.kind) {
    case "workload":
      return quoted(end.id);
    case "address":
      return `cidr(${JSON.stringify(`${end.address}/${end.address.includes(":") ? 128 : 32}`)})`;
    case "kubeApiserver":
      return "kubeApiserver()";
    default:
      return undefined;
  }
}

/** `shop/web[Deployment]` as a declaration names it. */
function quoted(id: Extract<Peer, { kind: "workload" }>["id"]): string {
  return JSON.stringify(id.replace(/\[[^\]]*\]$/, ""));
}
