import fc from "fast-check";
import type {
  ClusterSecurityDeclaration,
  FlowDeclaration,
  NamespaceDeclaration,
  PeerDeclaration,
  PortDeclaration,
  WorkloadDeclaration,
} from "../../sdk/plan/index";
import { Dialect, Entity, Protocol, Tier } from "../../sdk/plan/index";

const namespaceNames = ["alpha", "beta", "gamma", "kube-system"];
const workloadNames = ["api", "cache", "db", "web", "worker"];
/** Ranges that overlap each other, private and public, both families. */
const ranges = ["10.0.0.0/8", "10.1.0.0/16", "203.0.113.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "169.254.0.0/16"];

const protocol = fc.constantFrom(Protocol.TCP, Protocol.UDP, Protocol.SCTP);
const somePort = fc.constantFrom(53, 80, 443, 5432, 8080);
const port: fc.Arbitrary<PortDeclaration> = fc.oneof(
  fc.record({ port: somePort, protocol }),
  fc.record({ port: fc.constantFrom(79, 400, 8000), endPort: fc.constantFrom(8000, 8080, 9000), protocol }),
);

/** What every dialect of the network can say: no DNS names, no accounts, no host network. */
export const commonDeclaration: fc.Arbitrary<ClusterSecurityDeclaration> = fc
  .record({
    tiers: fc.array(fc.constantFrom(Tier.SharedServices, Tier.Applications, Tier.Platform), {
      minLength: 3,
      maxLength: 3,
    }),
    existing: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
    places: fc.uniqueArray(fc.tuple(fc.constantFrom(...namespaceNames), fc.constantFrom(...workloadNames)), {
      minLength: 2,
      maxLength: 9,
      selector: ([namespace, name]) => `${namespace}/${name}`,
    }),
  })
  .chain(({ tiers, existing, places }) => {
    const namespaces: NamespaceDeclaration[] = ["alpha", "beta", "gamma"].map((name, index) => ({
      name,
      tier: tiers[index] ?? Tier.Applications,
      existing: existing[index] ?? false,
    }));
    const workloads: WorkloadDeclaration[] = places.map(([namespace, name]) => ({ namespace, name }));
    return flowsBetween(places.map(([namespace, name]) => `${namespace}/${name}`)).map((flows) => ({
      namespaces,
      workloads,
      flows: withoutRepeats(flows),
    }));
  });

function flowsBetween(ids: readonly string[]): fc.Arbitrary<FlowDeclaration[]> {
  const inside: fc.Arbitrary<PeerDeclaration> = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...ids).map((workload) => ({ workload })) },
    { weight: 1, arbitrary: fc.constantFrom("alpha", "beta", "gamma").map((namespace) => ({ namespace })) },
  );
  const outside: fc.Arbitrary<PeerDeclaration> = fc.oneof(
    fc.constantFrom(...ranges).map((cidr): PeerDeclaration => ({ cidr })),
    fc.constant<PeerDeclaration>({ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }),
    fc.constant<PeerDeclaration>({ entity: Entity.Internet }),
  );
  const ends = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(inside, inside) },
    { weight: 1, arbitrary: fc.tuple(inside, outside) },
    { weight: 1, arbitrary: fc.tuple(outside, inside) },
  );
  const flow = fc
    .record({ ends, ports: fc.array(port, { minLength: 1, maxLength: 3 }) })
    .map(({ ends: [from, to], ports }): FlowDeclaration => ({ from, to, ports, reason: "random", owner: "tests" }));
  return fc.array(flow, { maxLength: 14 });
}

/** Repeated flows are refused, so of each pair of ends one flow stays. */
function withoutRepeats(flows: readonly FlowDeclaration[]): FlowDeclaration[] {
  const seen = new Set<string>();
  return flows.filter(({ from, to }) => {
    const key = JSON.stringify([from, to]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** A flow to a name outside, of the first workload, where the policy API knows names. */
export function callByName(
  { workloads }: ClusterSecurityDeclaration,
  dialect: Dialect,
): NonNullable<ClusterSecurityDeclaration["flows"]> {
  const [first] = workloads ?? [];
  if (dialect !== Dialect.Cilium || first === undefined) return [];
  return [
    {
      from: { workload: `${first.namespace}/${first.name}` },
      to: { fqdn: "api.example.com" },
      ports: [{ port: 443 }],
      reason: "calls",
      owner: "tests",
    },
  ];
}
