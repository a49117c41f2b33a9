import type { ConnectivityTestService } from "./declarations";
import type { Preset } from "./preset";

/**
 * `cilium connectivity test` with policies on. It talks between its own pods, to nodes, the API server and the internet, and
 * applies policies of its own whose denials it counts: a default deny would fail it, and so would a policy that allows
 * everything. Its namespaces are therefore without a default deny until a day; metadata endpoints stay closed in them, and what
 * else is declared stays closed to them.
 */
export const connectivityTest: Preset<ConnectivityTestService> = {
  name: "cilium-connectivity-test",
  title: "Cilium's connectivity test",
  version: "cilium-cli 0.16 to 0.19 (Cilium 1.17 to 1.20)",
  sources: [
    "https://docs.cilium.io/en/stable/operations/troubleshooting/",
    "https://github.com/cilium/cilium/blob/main/cilium-cli/connectivity/check/deployment.go",
  ],
  options: { namespaces: "texts", existing: "flag", reason: "text", owner: "text", expires: "text" },
  required: ["reason", "owner", "expires"],
  expand({
    namespaces = ["cilium-test-1", "cilium-test-ccnp1", "cilium-test-ccnp2"],
    existing = false,
    reason,
    owner,
    expires,
  }) {
    return { namespaces: [], workloads: [], flows: [], undenied: { namespaces, existing, reason, owner, expires } };
  },
};
