import type { MatrixEntry, Peer, TrafficSet } from "../../../reachability";
import { controls } from "../../controls";
import { findingOf } from "../../report";
import type { Cause } from "../../subjects";
import { causeOf, list, namespaceSubject, sampleFlow } from "../../subjects";
import { TenantExceptions, type PathEnd } from "../../tenant-exceptions";
import type { Finding, Rule, RuleContext } from "../../types";

/** Tenants are kept apart, but for documented exceptions that end. */
export const crossTenantPath: Rule = {
  id: "cross-tenant-path",
  title: "A tenant reaches another tenant",
  severity: "high",
  why: "A path from another tenant lets one tenant's incident spread to the other.",
  description:
    "No workload of a tenant's namespace reaches a workload of another tenant's, and no new pod could; decided by " +
    "computed reachability. Tenants are told by a label of their namespaces. Of a path, the ports are exempt for which a " +
    "policy that selects the source and one that selects the destination both document the same exception, with owner, " +
    "reason and last day (annotation pulumi-cluster-security/exception); every path is judged by itself.",
  remediation:
    "Add a default deny to the namespaces and leave other tenants out of the rules, or declare an exception with an owner, " +
    "a reason and an end.",
  controls: [controls.nistSeparateFlows, controls.nistInformationFlow, controls.isoSegregation, controls.pciInbound],
  check: checkTenants,
};

/** What one namespace reaches of other tenants, for one kind of answer. */
interface Group {
  readonly namespace: string;
  readonly certain: boolean;
  /** The last day of the exceptions that cover it; undefined where none does. */
  readonly until: string | undefined;
  readonly tenants: Set<string>;
  readonly namespaces: Set<string>;
  readonly causes: Map<string, Cause>;
}

type Traffic = Pick<MatrixEntry, "allowed" | "possible">;

function checkTenants(context: RuleContext): Iterable<Finding> {
  if (new Set(context.tenants.values()).size < 2) return [];
  const paths = new Paths(context);
  const { reachability, tenants } = context;
  const workloads = new Map(reachability.snapshot.workloads.map((workload) => [workload.id, workload]));
  const endOf = (peer: Peer): PathEnd | undefined => {
    const workload = peer.kind === "workload" ? workloads.get(peer.id) : undefined;
    return workload === undefined ? undefined : { peer, namespace: workload.namespace, workload };
  };
  for (const entry of reachability.matrix({ external: false })) {
    const [source, destination] = [endOf(entry.source), endOf(entry.destination)];
    if (source !== undefined && destination !== undefined) paths.add(source, destination, entry);
  }
  const names = [...tenants.keys()].sort();
  for (const from of names) {
    for (const to of names) {
      if (tenants.get(from) === tenants.get(to)) continue;
      const [source, destination] = [from, to].map((namespace): PathEnd => ({
        peer: { kind: "freshPod", namespace },
        namespace,
      })) as [PathEnd, PathEnd];
      paths.add(source, destination, reachability.traffic(source.peer, destination.peer));
    }
  }
  return paths.findings();
}

/** The paths between tenants: those that exceptions cover in whole, and for each pair of namespaces one that is open. */
class Paths {
  readonly #context: RuleContext;
  readonly #exceptions: TenantExceptions;
  readonly #groups = new Map<string, Group>();
  /** Pairs of namespaces with a path that nothing covers, and whether it is certain: one path explains the pair. */
  readonly #open = new Map<string, boolean>();
  readonly #covered = new Set<string>();

  constructor(context: RuleContext) {
    const { reachability, tiers, tenantExceptions, today } = context;
    this.#context = context;
    this.#exceptions = new TenantExceptions(reachability, tiers, tenantExceptions, today);
  }

  add(source: PathEnd, destination: PathEnd, { allowed, possible }: Traffic): void {
    const { tenants } = this.#context;
    const [own, other] = [tenants.get(source.namespace), tenants.get(destination.namespace)];
    if (own === undefined || other === undefined || own === other || possible.isEmpty()) return;
    const certain = !allowed.isEmpty();
    const pair = JSON.stringify([source.namespace, destination.namespace]);
    const sure = this.#exceptions.cover(source, destination, allowed);
    const rest = sure.rest.isEmpty() ? this.#exceptions.cover(source, destination, possible).rest : sure.rest;
    if (!rest.isEmpty()) {
      const isCertain = !sure.rest.isEmpty();
      // a certain path goes before a possible one
      if (this.#open.get(pair) !== true && (isCertain || !this.#open.has(pair))) {
        this.#open.set(pair, isCertain);
        this.#note(source, destination, isCertain, rest);
      }
    }
    const { until } = certain ? sure : this.#exceptions.cover(source, destination, possible);
    const key = `${pair} ${certain} ${until}`;
    if (until === undefined || this.#covered.has(key)) return;
    this.#covered.add(key);
    const documented = (certain ? allowed : possible).subtract(rest);
    this.#note(source, destination, certain, documented, until);
  }

  #note(source: PathEnd, destination: PathEnd, certain: boolean, traffic: TrafficSet, until?: string): void {
    const flow = sampleFlow(source.peer, destination.peer, traffic, [443, 80]);
    const key = JSON.stringify([source.namespace, certain, until ?? ""]);
    const group: Group = this.#groups.get(key) ?? {
      namespace: source.namespace,
      certain,
      until,
      tenants: new Set(),
      namespaces: new Set(),
      causes: new Map(),
    };
    this.#groups.set(key, group);
    group.tenants.add(this.#context.tenants.get(destination.namespace) ?? "");
    group.namespaces.add(destination.namespace);
    for (const direction of ["egress", "ingress"] as const) {
      const who = direction === "egress" ? "the source" : "the destination";
      const cause = causeOf(this.#context.reachability, flow, direction, who);
      group.causes.set(cause.key, cause);
    }
  }

  findings(): Finding[] {
    return [...this.#groups.values()].map((group) => describe(this.#context, group));
  }
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
