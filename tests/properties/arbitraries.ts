/** Random clusters and the pieces that policies of every dialect share. Small pools, so that rules meet what they are about. */
import fc from "fast-check";
import type { ContainerPort, OracleCluster, OracleNamespace, OraclePod } from "../oracle/cluster";

/** Drops keys that are `undefined`, as a YAML file would not have them. */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** A list in every form a file can have it: left out, null, empty, filled. */
export function list<T>(item: fc.Arbitrary<T>, maxLength = 2): fc.Arbitrary<T[] | null | undefined> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.array(item, { minLength: 1, maxLength }) },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant<T[]>([]) },
  );
}

export const namespaceNames = ["a", "b", "c"] as const;
const podLabelValues: Readonly<Record<string, readonly string[]>> = {
  app: ["web", "api", "db"],
  role: ["front", "back"],
  env: ["prod"],
  // left out of identities by Cilium, a label like any other elsewhere
  "pod-template-hash": ["abc"],
};
const namespaceLabelValues: Readonly<Record<string, readonly string[]>> = { team: ["x", "y"], tier: ["platform"] };

function labelsFrom(values: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Record<string, string>> {
  const entries = Object.entries(values).map(([key, options]) =>
    fc.option(fc.constantFrom(...options), { nil: undefined, freq: 2 }).map((value) => [key, value] as const),
  );
  return fc
    .tuple(...entries)
    .map((pairs) => Object.fromEntries(pairs.filter((pair) => pair[1] !== undefined)) as Record<string, string>);
}

export const podLabels = labelsFrom(podLabelValues);
export const namespaceLabelSets = labelsFrom(namespaceLabelValues);

const podLabelPair = fc.constantFrom(
  ...Object.entries(podLabelValues).flatMap(([key, values]) => values.map((value) => [key, value] as const)),
);
const namespaceLabelPair = fc.oneof(
  fc.constantFrom(
    ...Object.entries(namespaceLabelValues).flatMap(([key, values]) => values.map((value) => [key, value] as const)),
  ),
  fc.constantFrom(...namespaceNames).map((name) => ["kubernetes.io/metadata.name", name] as const),
);

export interface Selector {
  matchLabels?: Record<string, string> | null;
  matchExpressions?: { key: string; operator: string; values?: string[] }[] | null;
}

export function selectorFrom(pair: fc.Arbitrary<readonly [string, string]>): fc.Arbitrary<Selector> {
  const matchLabels = pair.map(([key, value]) => ({ [key]: value }));
  const expression = fc.oneof(
    fc
      .tuple(pair, pair, fc.constantFrom("In", "NotIn"), fc.boolean())
      .map(([[key, value], [otherKey, other], operator, two]) => ({
        key,
        operator,
        values: two && otherKey === key && other !== value ? [value, other] : [value],
      })),
    fc.tuple(pair, fc.constantFrom("Exists", "DoesNotExist")).map(([[key], operator]) => ({ key, operator })),
  );
  return fc.oneof(
    { weight: 2, arbitrary: fc.constant<Selector>({}) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Selector>({ matchLabels: {} }, { matchLabels: null }, { matchExpressions: [] }),
    },
    { weight: 4, arbitrary: matchLabels.map((labels): Selector => ({ matchLabels: labels })) },
    {
      weight: 3,
      arbitrary: fc
        .array(expression, { minLength: 1, maxLength: 2 })
        .map((matchExpressions): Selector => ({ matchExpressions })),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(matchLabels, expression)
        .map(([labels, one]): Selector => ({ matchLabels: labels, matchExpressions: [one] })),
    },
  );
}

export const podSelector = selectorFrom(podLabelPair);
export const namespaceSelector = selectorFrom(namespaceLabelPair);
export { podLabelPair, namespaceLabelPair };

export const portNames = ["http", "dns", "metrics"] as const;

const containerPort: fc.Arbitrary<ContainerPort> = fc.constantFrom<ContainerPort>(
  { name: "http", port: 80, protocol: "TCP" },
  { name: "http", port: 8080, protocol: "TCP" },
  { name: "dns", port: 53, protocol: "UDP" },
  { name: "metrics", port: 8081, protocol: "TCP" },
  { name: "metrics", port: 80, protocol: "SCTP" },
  { port: 443, protocol: "TCP" },
);

export const serviceAccounts = ["default", "web", "api"] as const;

export interface ClusterOptions {
  /** Give pods addresses (for enforcers whose CIDR rules match pods). */
  readonly podAddresses: boolean;
  readonly hostNetwork: boolean;
}

/** One address a pod: which family a dual-stack pair speaks is not part of a flow. */
const podAddressPool = [
  ["10.1.0.5"],
  ["fd00:ec2::5"],
  ["10.2.0.7"],
  ["198.51.100.129"],
  ["8000::5"],
  ["127.0.0.9"],
] as const;

/** Two or three namespaces, three to five pods (some of them Deployments), maybe one on the host network. */
export function clusters(options: ClusterOptions): fc.Arbitrary<OracleCluster> {
  const namespaces = fc
    .tuple(fc.constantFrom(3, 3, 2), namespaceLabelSets, namespaceLabelSets, namespaceLabelSets)
    .map(([count, ...labels]) =>
      namespaceNames.slice(0, count).map((name, index): OracleNamespace => ({ name, labels: labels[index] ?? {} })),
    );
  const pod = fc.record({
    namespace: fc.nat(),
    labels: podLabels,
    serviceAccount: fc.constantFrom(...serviceAccounts),
    hostNetwork: options.hostNetwork ? fc.nat({ max: 9 }).map((roll) => roll === 9) : fc.constant(false),
    deployment: fc.boolean(),
    ports: fc.uniqueArray(containerPort, { maxLength: 3, selector: (port) => `${port.name ?? ""}/${port.protocol}` }),
  });
  return fc.tuple(namespaces, fc.array(pod, { minLength: 3, maxLength: 5 })).map(([spaces, drafts]) => ({
    namespaces: spaces,
    pods: drafts.map((draft, index): OraclePod => {
      const deployment = draft.deployment && !options.podAddresses;
      return {
        namespace: spaces[draft.namespace % spaces.length]?.name ?? "a",
        name: `p${index}${deployment ? "-deploy" : ""}`,
        labels: draft.labels,
        serviceAccount: draft.serviceAccount,
        hostNetwork: draft.hostNetwork,
        replicated: deployment,
        ports: draft.ports,
        addresses:
          options.podAddresses && !draft.hostNetwork ? (podAddressPool[index % podAddressPool.length] ?? []) : [],
      };
    }),
  }));
}

const freshLabels: readonly Record<string, string>[] = [{}, { app: "web" }, { app: "unheard-of" }];

/** A pod that might be started: no ports, an account, labels of its own. */
export function freshPods(cluster: OracleCluster): OraclePod[] {
  return cluster.namespaces.map(({ name }, index) => ({
    namespace: name,
    name: "fresh",
    labels: freshLabels[index] ?? {},
    serviceAccount: "default",
    hostNetwork: false,
    replicated: true,
    ports: [],
    addresses: [],
  }));
}

export interface IpBlock {
  readonly cidr: string;
  readonly except?: readonly string[] | null;
}

/** CIDRs with exceptions that lie inside them. */
export const ipBlock = fc.oneof(
  fc.constantFrom<IpBlock>(
    { cidr: "10.1.0.0/16" },
    { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] },
    { cidr: "0.0.0.0/0" },
    { cidr: "0.0.0.0/0", except: [] },
    { cidr: "0.0.0.0/0", except: null },
    { cidr: "0.0.0.0/0", except: ["169.254.169.254/32"] },
    { cidr: "0.0.0.0/0", except: ["169.254.0.0/16", "10.0.0.0/8"] },
    { cidr: "0.0.0.0/1" },
    { cidr: "128.0.0.0/1", except: ["169.254.169.254/32"] },
    { cidr: "169.254.0.0/16" },
    { cidr: "169.254.169.254/32" },
    { cidr: "198.51.100.128/25" },
  ),
  fc.constantFrom<IpBlock>(
    { cidr: "::/0" },
    { cidr: "::/0", except: ["fd00:ec2::254/128"] },
    { cidr: "::/0", except: ["64:ff9b::/96", "2002:a9fe:a9fe::/48"] },
    { cidr: "fd00:ec2::/32" },
    { cidr: "fd00:ec2::/32", except: ["fd00:ec2::254/128"] },
    { cidr: "64:ff9b::/96", except: ["64:ff9b::a9fe:a9fe/128"] },
    { cidr: "8000::/1" },
  ),
);
