/** What some pods may reach outside the cluster, without a declaration of everything else. */
import type { PropertyPath } from "../property-path";
import type {
  ClusterFacts,
  ClusterSecurityDeclaration,
  Dialect,
  FlowDeclaration,
  PeerDeclaration,
  PortDeclaration,
  UnsupportedHandling,
  WorkloadDeclaration,
} from "./declaration";
import { DenyScope, PolicyLayout, Protocol, Tier } from "./declaration";
import type { Input } from "./inputs";
import type { Plan } from "./documents";
import { DeclarationError } from "./errors";
import { guardDocuments, guardWarnings } from "./guards";
import type { Subject } from "./halves";
import { isDnsLabel } from "./names";
import type { Model } from "./model";
import { planModel } from "./plan";
import { resolve } from "./resolve/resolve";

/** A host outside the cluster. */
export interface EgressHost {
  /** A DNS name or a pattern of one (`api.example.com`, `*.example.com`). */
  host: Input<string>;
  /** Defaults to TCP 443. */
  ports?: PortDeclaration[];
  /** Why it is needed. Written into the policy. */
  reason: Input<string>;
  /** Who answers for it. Written into the policy. */
  owner: Input<string>;
}

/** A range of addresses outside the cluster. */
export interface EgressRange {
  /** IPv4 or IPv6, such as `198.51.100.0/24`. */
  cidr: Input<string>;
  /** Parts of it that stay closed. Metadata endpoints are always added. */
  except?: Input<Input<string>[]>;
  /** At least one. */
  ports: PortDeclaration[];
  /** Why it is needed. Written into the policy. */
  reason: Input<string>;
  /** Who answers for it. Written into the policy. */
  owner: Input<string>;
}

/** Everything that the pods of a namespace, or some workloads of it, may reach outside the cluster. */
export interface EgressDeclaration {
  /** Defaults to `cilium`. */
  dialect?: Dialect;
  /** Facts about the cluster; every one has a default. */
  cluster?: ClusterFacts;
  /** The namespace, which is there already. */
  namespace: string;
  /** Workloads of the namespace that it is about. Defaults to every pod. */
  workloads?: WorkloadDeclaration[];
  /** Named hosts. */
  hosts?: EgressHost[];
  /** Address ranges. */
  ranges?: EgressRange[];
  /** What to do with parts of the declaration that the policy API cannot express. Defaults to `warn`. */
  unsupported?: UnsupportedHandling;
  /** The day by which the policies are looked at again, `2027-05-01`; written onto each. Defaults to none. */
  reviewBy?: string;
}

/**
 * Plans one policy for each workload, or one for the namespace: DNS, the named hosts and ranges, and nothing else from
 * these pods, inside the cluster or outside, but what other policies allow. Metadata endpoints of every cloud are closed
 * in it, with a deny where the dialect has one.
 *
 * @param name Name of the policies; a DNS label.
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export function planEgress(name: string, declaration: EgressDeclaration): Plan {
  const { declared, paths } = asDeclaration(name, declaration);
  const resolved = retraced(paths, () => resolve(declared));
  const model = { ...resolved, flows: resolved.flows.map((flow) => ({ ...flow, path: placeOf(paths, flow.path) })) };
  const subjects: readonly Subject[] =
    model.workloads.size > 0
      ? [...model.workloads.values()].map((workload): Subject => ({ kind: "workload", workload }))
      : [...model.namespaces.values()]
          .filter((namespace) => namespace.name === declaration.namespace)
          .map((namespace): Subject => ({ kind: "namespace", namespace }));
  const plan = planModel(model, (planned, shortfalls) =>
    subjects.flatMap((subject) => {
      const own = { ...planned, flows: flowsOf(planned, subject) };
      const suffix = subject.kind === "workload" ? `-${subject.workload.name}` : "";
      return guardDocuments(own, shortfalls, {
        subject,
        name: `${name}${suffix}`,
        directions: ["egress"],
        hasOwnDns: false,
      });
    }),
  );
  const warnings = guardWarnings(plan, model)
    // one object holds everything of its pods, so no flow waits for another policy
    .filter(({ code }) => code !== "first-allow-isolates");
  // the namespace is somebody else's to make and to label
  return { ...plan, warnings, namespaces: [] };
}

function flowsOf(model: Model, subject: Subject): Model["flows"] {
  return model.flows.filter(({ from }) =>
    subject.kind === "workload"
      ? from.kind === "workload" && from.workload.id === subject.workload.id
      : from.kind === "namespace",
  );
}

/** The same as flows, with the place that each comes from. */
function asDeclaration(
  name: string,
  declaration: EgressDeclaration,
): { declared: ClusterSecurityDeclaration; paths: readonly PropertyPath[] } {
  const { dialect, cluster, namespace, workloads, hosts, ranges, unsupported, reviewBy } = declaration;
  refuseForms(name, declaration);
  const sources: readonly PeerDeclaration[] =
    workloads === undefined || workloads.length === 0
      ? [{ namespace }]
      : workloads.map((workload) => ({ workload: `${workload.namespace}/${workload.name}` }));
  const flows: FlowDeclaration[] = [];
  const paths: PropertyPath[] = [];
  const add = (
    path: PropertyPath,
    to: PeerDeclaration,
    ports: PortDeclaration[],
    reason: Input<string>,
    owner: Input<string>,
  ): void => {
    for (const from of sources) {
      flows.push({ from, to, ports, reason, owner });
      paths.push(path);
    }
  };
  (hosts ?? []).forEach(({ host, ports, reason, owner }, index) =>
    add(["hosts", index], { fqdn: host }, ports ?? [{ port: 443, protocol: Protocol.TCP }], reason, owner),
  );
  (ranges ?? []).forEach(({ cidr, except, ports, reason, owner }, index) => {
    const to = except === undefined ? { cidr } : { cidr, except };
    add(["ranges", index], to, ports, reason, owner);
  });
  const declared: ClusterSecurityDeclaration = {
    ...(dialect === undefined ? {} : { dialect }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(unsupported === undefined ? {} : { unsupported }),
    ...(reviewBy === undefined ? {} : { reviewBy }),
    denyScope: DenyScope.DeclaredNamespaces,
    layout: PolicyLayout.PerFlow,
    namespaces: [{ name: namespace, tier: Tier.Applications, existing: true }],
    workloads: workloads ?? [],
    flows,
  };
  return { declared, paths };
}

/** What would otherwise only be found under names that the user did not write. */
function refuseForms(name: string, { namespace, workloads, hosts, ranges }: EgressDeclaration): void {
  const refuse = (path: PropertyPath, message: string, fix: string): never => {
    throw new DeclarationError([{ path, kind: "declaration", message, fix }]);
  };
  if (!isDnsLabel(name)) refuse(["name"], "is not a DNS label", "Use lower-case letters, digits and hyphens.");
  for (const [field, list] of Object.entries({ workloads, hosts, ranges })) {
    if (
      list !== undefined &&
      !(Array.isArray(list) && list.every((item) => typeof item === "object" && item !== null))
    ) {
      refuse([field], "is not a list of objects", "Give a list.");
    }
  }
  (workloads ?? []).forEach((workload, index) => {
    if (workload.namespace === namespace) return;
    refuse(["workloads", index, "namespace"], "is another namespace", `Name workloads of ${namespace} only.`);
  });
  (workloads ?? []).forEach(({ metadataAccess = [] }, index) => {
    if (metadataAccess.length === 0) return;
    const fix = "Declare the exception where the whole cluster is declared, with ClusterSecurity.";
    refuse(
      ["workloads", index, "metadataAccess"],
      "would be closed again: this policy closes every metadata endpoint",
      fix,
    );
  });
}

/** Problems of flows are told at the place that the user wrote. */
function retraced<T>(paths: readonly PropertyPath[], read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof DeclarationError)) throw error;
    throw new DeclarationError(error.problems.map((one) => ({ ...one, path: placeOf(paths, one.path) })));
  }
}

/** `flows[3].to.fqdn` is `hosts[1].host`. */
function placeOf(paths: readonly PropertyPath[], path: PropertyPath): PropertyPath {
  const [list, index, ...rest] = path;
  const place = list === "flows" && typeof index === "number" ? paths[index] : undefined;
  if (place === undefined) return path;
  const [peer, field, ...below] = rest;
  if (peer !== "to" || field === undefined) return [...place, ...rest];
  return [...place, field === "fqdn" ? "host" : field, ...below];
}
