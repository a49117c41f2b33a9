/**
 * Clusters as teams run them, the same for the same seed: a default deny in most namespaces, some left open, flows between
 * the apps of a namespace and across namespaces, DNS and monitoring for all, named ports, ranges, matchExpressions, CIDRs
 * with exceptions; optionally a part of the policies in Cilium's dialect.
 */
import type { KubeObject } from "../../sdk/reachability";

export interface BenchOptions {
  readonly workloads: number;
  readonly policies: number;
  readonly seed: number;
  /** `mixed`: every fourth flow policy is a CiliumNetworkPolicy, and one CiliumClusterwideNetworkPolicy closes the metadata service. */
  readonly dialects: "kubernetes" | "mixed";
}

/** The sizes of the budgets: workloads × policies. */
export const sizes: readonly (readonly [number, number])[] = [
  [400, 200],
  [1_000, 500],
  [4_000, 2_000],
  [10_000, 5_000],
];

const workloadsPerNamespace = 20;
/** Every sixth namespace has no policy at all, as clusters have in the middle of an adoption. */
const openNamespaceEvery = 6;
const tiers = ["web", "api", "worker", "cache", "db"] as const;

interface App {
  readonly namespace: string;
  readonly name: string;
  readonly tier: (typeof tiers)[number];
  readonly team: string;
}

export function benchObjects(options: BenchOptions): KubeObject[] {
  const random = generator(options.seed);
  const count = Math.max(3, Math.round(options.workloads / workloadsPerNamespace));
  const namespaces = Array.from({ length: count }, (_, index) => ({
    name: index === 0 ? "kube-system" : index === 1 ? "monitoring" : `team-${index}`,
    open: index > 1 && index % openNamespaceEvery === 0,
  }));
  const apps: App[] = Array.from({ length: options.workloads }, (_, index) => {
    const namespace = namespaces[index % count]?.name ?? "team-2";
    const tier = tiers[Math.floor(index / count) % tiers.length] ?? "web";
    const name = index < count && namespace === "kube-system" ? "coredns" : `${tier}-${Math.floor(index / count)}`;
    return { namespace, name, tier, team: `t${Math.floor((index % count) / 4)}` };
  });
  return [
    ...namespaces.map(({ name, open }, index) => namespaceObject(name, `t${Math.floor(index / 4)}`, open)),
    ...apps.map(deployment),
    ...policiesFor(
      options,
      namespaces.filter(({ open }) => !open).map(({ name }) => name),
      apps,
      random,
    ),
  ];
}

function namespaceObject(name: string, team: string, open: boolean): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { team, "policy/enforced": String(!open) } },
  };
}

function deployment(app: App): KubeObject {
  const labels = {
    app: app.name,
    tier: app.tier,
    team: app.team,
    ...(app.name === "coredns" ? { "k8s-app": "kube-dns" } : {}),
  };
  const ports = [
    { name: "http", containerPort: app.tier === "web" ? 8080 : 9090, protocol: "TCP" },
    { name: "metrics", containerPort: 9102, protocol: "TCP" },
  ];
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: app.name, namespace: app.namespace, labels },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: app.name } },
      template: {
        metadata: { labels },
        spec: { serviceAccountName: app.name, containers: [{ name: "main", image: "registry.example/app:1", ports }] },
      },
    },
  };
}

/** Three policies for every closed namespace, then flow policies until the number asked for is reached. */
function policiesFor(
  options: BenchOptions,
  closed: readonly string[],
  apps: readonly App[],
  random: Random,
): KubeObject[] {
  const policies: KubeObject[] = [];
  const add = (...more: KubeObject[]): void => {
    for (const policy of more) if (policies.length < options.policies) policies.push(policy);
  };
  if (options.dialects === "mixed") add(metadataDeny());
  for (const namespace of closed) add(defaultDeny(namespace), allowDns(namespace), allowMonitoring(namespace));
  const byNamespace = new Map(closed.map((name) => [name, apps.filter((app) => app.namespace === name)]));
  for (let index = 0; policies.length < options.policies; index++) {
    const namespace = closed[index % closed.length] ?? "team-2";
    const own = byNamespace.get(namespace) ?? [];
    const subject = own[Math.floor(index / closed.length) % Math.max(1, own.length)];
    const other = random.pick(byNamespace.get(random.pick(closed)) ?? own);
    if (!subject || !other) break;
    add(
      options.dialects === "mixed" && index % 4 === 3
        ? ciliumFlow(index, subject, other, random)
        : flow(index, subject, other, random),
    );
  }
  return policies;
}

function networkPolicy(namespace: string, name: string, spec: unknown): KubeObject {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace }, spec };
}

function defaultDeny(namespace: string): KubeObject {
  return networkPolicy(namespace, "default-deny-all", { podSelector: {}, policyTypes: ["Ingress", "Egress"] });
}

function allowDns(namespace: string): KubeObject {
  return networkPolicy(namespace, "allow-dns", {
    podSelector: {},
    policyTypes: ["Egress"],
    egress: [
      {
        to: [
          {
            namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
            podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
          },
        ],
        ports: [
          { protocol: "UDP", port: 53 },
          { protocol: "TCP", port: 53 },
        ],
      },
    ],
  });
}

function allowMonitoring(namespace: string): KubeObject {
  return networkPolicy(namespace, "allow-monitoring", {
    podSelector: {},
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } },
            podSelector: { matchLabels: { tier: "api" } },
          },
        ],
        ports: [{ protocol: "TCP", port: "metrics" }],
      },
    ],
  });
}

/** One app's flows: who calls it, whom it calls, now and then the internet without the inside of the network. */
function flow(index: number, subject: App, other: App, random: Random): KubeObject {
  const callers = [
    { podSelector: { matchExpressions: [{ key: "tier", operator: "In", values: ["web", "api"] }] } },
    { namespaceSelector: { matchLabels: { team: other.team } }, podSelector: { matchLabels: { app: other.name } } },
  ];
  const port = random.pick([
    { protocol: "TCP", port: "http" },
    { protocol: "TCP", port: 9090 },
    { protocol: "TCP", port: 8000, endPort: 8999 },
    { protocol: "UDP", port: 5000 + (index % 7) },
  ]);
  const internet = {
    to: [
      {
        ipBlock: { cidr: "0.0.0.0/0", except: ["10.0.0.0/8", "169.254.169.254/32", `172.${16 + (index % 16)}.0.0/16`] },
      },
    ],
    ports: [{ protocol: "TCP", port: 443 }],
  };
  const callees = {
    to: [
      { podSelector: { matchLabels: { tier: "db" } } },
      {
        namespaceSelector: {
          matchExpressions: [{ key: "kubernetes.io/metadata.name", operator: "In", values: [other.namespace] }],
        },
        podSelector: { matchLabels: { app: other.name } },
      },
    ],
    ports: [port, { protocol: "TCP", port: 5432 }],
  };
  return networkPolicy(subject.namespace, `allow-${subject.name}-${index}`, {
    podSelector: { matchLabels: { app: subject.name } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [{ from: callers, ports: [port] }],
    egress: index % 5 === 0 ? [callees, internet] : [callees],
  });
}

function ciliumFlow(index: number, subject: App, other: App, random: Random): KubeObject {
  const toPorts = [
    {
      ports: [
        random.pick([
          { port: "9090", protocol: "TCP" },
          { port: "8000", endPort: 8999, protocol: "TCP" },
          { port: "http", protocol: "TCP" },
        ]),
      ],
    },
  ];
  const remote = { matchLabels: { "k8s:io.kubernetes.pod.namespace": other.namespace, app: other.name } };
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: `allow-${subject.name}-${index}`, namespace: subject.namespace },
    spec: {
      endpointSelector: { matchLabels: { app: subject.name } },
      ingress: [{ fromEndpoints: [{ matchLabels: { tier: "web" } }, remote], toPorts }],
      egress: [
        { toEndpoints: [remote], toPorts },
        ...(index % 8 === 3
          ? [
              {
                toCIDRSet: [{ cidr: "0.0.0.0/0", except: ["10.0.0.0/8", "169.254.0.0/16"] }],
                toPorts: [{ ports: [{ port: "443", protocol: "TCP" }] }],
              },
            ]
          : []),
      ],
    },
  };
}

function metadataDeny(): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumClusterwideNetworkPolicy",
    metadata: { name: "deny-cloud-metadata" },
    spec: {
      endpointSelector: {},
      enableDefaultDeny: { egress: false, ingress: false },
      egressDeny: [{ toCIDR: ["169.254.169.254/32", "fd00:ec2::254/128"] }],
    },
  };
}

// --- randomness -------------------------------------------------------------------------------------------------------

interface Random {
  pick<T>(from: readonly T[]): T;
}

/** A linear congruential generator: the same file for the same seed on every machine. */
function generator(seed: number): Random {
  let state = seed >>> 0;
  return {
    pick<T>(from: readonly T[]): T {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const one = from[Math.floor((state / 4294967296) * from.length)];
      if (one === undefined) throw new RangeError("nothing to pick from");
      return one;
    },
  };
}
