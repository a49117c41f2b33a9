import { allOf, fqdn, tcp } from "../builders";
import type { AgentSandboxDeclaration } from "./declarations";
import { connect } from "./parts";
import type { Preset } from "./preset";

/**
 * A namespace for agents that run code nobody has read (Kubescape control C-0301). Its pods reach the named hosts and may
 * ask DNS for these names only, so that nothing is carried away in the names that they ask for; metadata endpoints, the
 * API server and the rest of the cluster stay closed by the default deny.
 */
export const agentSandbox: Preset<AgentSandboxDeclaration> = {
  name: "agent-sandbox",
  title: "Agent sandbox",
  version: "any",
  sources: [
    "https://github.com/kubescape/regolibrary/tree/master/controls",
    "https://docs.cilium.io/en/stable/security/policy/language/#dns-based",
  ],
  options: {
    namespace: "text",
    hosts: "hosts",
    hostPort: "port",
    callers: "texts",
    port: "port",
    reason: "words",
    owner: "words",
  },
  required: ["namespace", "reason", "owner"],
  expand({ namespace, hosts = [], hostPort = 443, callers = [], port, reason, owner }) {
    const own = allOf(namespace);
    return {
      namespaces: [],
      workloads: [],
      flows: [
        ...hosts.map((host) => connect(own, fqdn(host), [tcp(hostPort)], reason, owner)),
        ...callers.map((caller) =>
          connect(caller, own, port === undefined ? [] : [tcp(port)], `sends it work: ${reason}`, owner),
        ),
      ],
      dnsNames: new Map([[namespace, hosts]]),
    };
  },
};
