import type { MatrixEntry, Peer, PolicySource, Reachability } from "../../../reachability";
import { describeRef } from "../../../reachability";
import { controls } from "../../controls";
import { isDate, textOf } from "../../plain";
import { findingOf } from "../../report";
import { causeOf, list, namespaceSubject, sampleFlow } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Tenants are kept apart, but for documented exceptions that end (requirements S2-01, S2-02; seed 002). */
export const crossTenantPath: Rule = {
  id: "cross-tenant-path",
  title: "Tenants do not reach each other",
  severity: "high",
  why: "A tenant answers for its own workloads only; a path from another tenant makes one tenant's incident everybody's.",
  description:
    "No workload of a tenant's namespace reaches a workload of another tenant's, and no new pod could; decided by " +
    "computed reachability. Tenants are told by a label of their namespaces. A path is exempt while the policies that " +
    "open it document an exception with an end (annotation pulumi-cluster-security/flows, `until YYYY-MM-DD`).",
  remediation:
    "Close the namespaces by default and leave other tenants out of the rules, or declare an exception with an owner, " +
    "a reason and an end.",
  controls: [controls.nistSeparateFlows, controls.nistInformationFlow, controls.isoSegregation, controls.pciInbound],
  check: checkTenants,
};

/** What one namespace reaches of other tenants, for one kind of answer. */
interface Group {
  readonly namespace: string;
  readonly certain: boolean;
  /** The last day of the exception that covers it; undefined where none does. */
  readonly until: string | undefined;
  readonly tenants: Set<string>;
  readonly namespaces: Set<string>;
  readonly causes: Map<string, ReturnType<typeof causeOf>>;
}

function* checkTenants(context: RuleContext): Iterable<Finding> {
  const { reachability, tenants } = context;
  if (new Set(tenants.values()).size < 2) return;
  const groups = new Map<string, Group>();
  // one path of each pair of namespaces explains the pair; a certain one goes before a possible one
  const seen = new Map<string, boolean>();
  const add = (
    from: string,
    to: string,
    entry: Pick<MatrixEntry, "source" | "destination" | "allowed" | "possible">,
  ) => {
    const [own, other] = [tenants.get(from), tenants.get(to)];
    if (own === undefined || other === undefined || own === other || entry.possible.isEmpty()) return;
    const certain = !entry.allowed.isEmpty();
    const pair = `${from}→${to}`;
    if (seen.get(pair) === true || (seen.has(pair) && !certain)) return;
    seen.set(pair, certain);
    const flow = sampleFlow(entry.source, entry.destination, certain ? entry.allowed : entry.possible, [443, 80]);
    const sides = (["egress", "ingress"] as const).map((direction) =>
      causeOf(reachability, flow, direction, direction === "egress" ? "the source" : "the destination"),
    );
    const until = exceptionEnd(
      reachability,
      sides.map((side) => side.text),
      context.today,
    );
    const key = JSON.stringify([from, certain, until ?? ""]);
    const group: Group = groups.get(key) ?? {
      namespace: from,
      certain,
      until,
      tenants: new Set(),
      namespaces: new Set(),
      causes: new Map(),
    };
    groups.set(key, group);
    group.tenants.add(other);
    group.namespaces.add(to);
    for (const side of sides) group.causes.set(side.key, side);
  };
  const homes = new Map(reachability.snapshot.workloads.map(({ id, namespace }) => [id, namespace]));
  const homeOf = (peer: Peer): string => (peer.kind === "workload" ? (homes.get(peer.id) ?? "") : "");
  for (const entry of reachability.matrix({ external: false })) {
    add(homeOf(entry.source), homeOf(entry.destination), entry);
  }
  const names = [...tenants.keys()].sort();
  for (const from of names) {
    for (const to of names) {
      if (tenants.get(from) === tenants.get(to)) continue;
      const source: Peer = { kind: "freshPod", namespace: from };
      const destination: Peer = { kind: "freshPod", namespace: to };
      add(from, to, { source, destination, ...reachability.traffic(source, destination) });
    }
  }
  for (const group of groups.values()) yield describe(context, group);
}

function describe(context: RuleContext, group: Group): Finding {
  const { snapshot } = context.reachability;
  const causes = [...group.causes.values()];
  const others = `${list([...group.namespaces].sort())} of ${group.tenants.size === 1 ? "another tenant" : `${group.tenants.size} other tenants`}`;
  const can = group.certain ? "reaches" : "possibly reaches";
  const common = {
    subject: namespaceSubject(snapshot, group.namespace),
    because: causes.map((cause) => cause.text),
    causes: causes.map((cause) => cause.source),
    certainty: group.certain ? ("definite" as const) : ("possible" as const),
  };
  if (group.until === undefined) {
    return findingOf(crossTenantPath, { ...common, message: `Namespace ${group.namespace} ${can} ${others}` });
  }
  return findingOf(crossTenantPath, {
    ...common,
    severity: "info",
    exempt: true,
    message: `Namespace ${group.namespace} ${can} ${others}, by an exception that holds until ${group.until}`,
    fix: "Nothing to do while the exception holds; take it out of the declaration when it ends.",
  });
}

/**
 * The first day that ends one of the exceptions behind both sides of a path; undefined where a side is open by something
 * that documents none, or where one has ended.
 */
function exceptionEnd(
  reachability: Reachability,
  causes: readonly string[],
  today: string | undefined,
): string | undefined {
  const ends = causes.map((text) => {
    const policy = reachability.snapshot.policies.find((each) => text.startsWith(`${describeRef(each)}, `));
    return policy === undefined ? undefined : endOf(policy);
  });
  const known = ends.filter((end) => end !== undefined).sort();
  const first = known[0];
  if (first === undefined || known.length < ends.length) return undefined;
  return today !== undefined && first < today ? undefined : first;
}

/** The last day that a policy's documented flows name. */
function endOf(policy: PolicySource): string | undefined {
  const flows = textOf(policy.object.metadata?.annotations?.["pulumi-cluster-security/flows"]) ?? "";
  const dates = [...flows.matchAll(/, until (\d{4}-\d{2}-\d{2})\)/g)].map((match) => match[1]).filter(isDate);
  return dates.sort().at(-1);
}
