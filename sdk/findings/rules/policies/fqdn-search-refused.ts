import type { DnsPattern, Peer, Workload } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { askableNames, mayOverlap, namesIn } from "../../dns-rules";
import { listOf, mapOf } from "../../plain";
import { podSpecOf } from "../../pod-specs";
import { policyObjects, workloadsSelectedBy } from "../../policy-rules";
import { aboutPolicy } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** With `ndots:5` a pod asks for a name with its search domains first, and the DNS proxy refuses those. */
export const fqdnSearchRefused: Rule = {
  id: "fqdn-search-refused",
  title: "The DNS rules refuse names with the pod's search domains",
  severity: "low",
  why: "With ndots:5, the default in pods, a resolver asks for `api.example.com.<namespace>.svc.cluster.local` first; some give up when the DNS proxy refuses it, and the name looks as if it did not exist.",
  description:
    "Where DNS rules name what pods may ask for, and toFQDNs names hosts with fewer than five dots, the rules also let the " +
    "name with the search domain of the pod's namespace pass, unless the pod sets its own dnsPolicy or ndots.",
  remediation:
    'Add `matchPattern: "**.cluster.local"` (Cilium 1.19 or newer) to `rules.dns`, end the names with a dot in the application, set ' +
    "ndots to 1 in dnsConfig, or set the agent's dnsRejectResponseCode to nameError.",
  controls: [controls.nistInformationFlow],
  check: checkSearch,
};

function* checkSearch(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const { origin, parts } of policyObjects(snapshot)) {
    if (origin.dialect !== "cilium") continue;
    const refused = parts.flatMap((part) => {
      const names = namesIn(part).filter(({ pattern }) => pattern.text.split(".").length <= 5);
      if (names.length === 0) return [];
      return workloadsSelectedBy(part, snapshot)
        .filter(usesSearchDomains)
        .filter((workload) => {
          const pod: Peer = { kind: "workload", id: workload.id };
          const askable = askableNames(pod, snapshot);
          const able = names.filter(({ pattern }) => askable?.some((each) => mayOverlap(each, pattern)) === true);
          return able.some(({ pattern }) => !passes(askable ?? [], pattern, workload.namespace));
        });
    });
    if (refused.length === 0) continue;
    yield aboutPolicy(fqdnSearchRefused, origin, {
      message: `The DNS rules for the pods of ${describeRef(origin)} refuse its names with a search domain`,
      because: [
        "with ndots:5 a pod asks for a name with each search domain first, and no DNS rule lets <name>.<namespace>.svc.cluster.local pass",
      ],
    });
  }
}

/** Whether a name with the search domain of a namespace may be asked for. */
function passes(askable: readonly DnsPattern[], { text }: DnsPattern, namespace: string): boolean {
  const sample = `${text.replaceAll("*", "x").replace(/\.$/, "")}.${namespace}.svc.cluster.local`.toLowerCase();
  return askable.some(({ expression }) => expression.test(sample));
}

/** Whether a pod has the cluster's search domains and the usual ndots. */
function usesSearchDomains(workload: Workload): boolean {
  const spec = podSpecOf(workload);
  const policy = spec["dnsPolicy"];
  if (policy !== undefined && policy !== null && policy !== "ClusterFirst" && policy !== "ClusterFirstWithHostNet") {
    return false;
  }
  return !listOf(mapOf(spec["dnsConfig"])["options"]).some((option) => mapOf(option)["name"] === "ndots");
}
