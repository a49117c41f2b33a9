/** Random PeerAuthentications and AuthorizationPolicies whose rules a TCP connection decides. */
import fc from "fast-check";
import type { OracleCluster, PolicyObject } from "../oracle/cluster";
import { namespaceNames, plain, serviceAccounts } from "./arbitraries";

/** `c` is never in the mesh; a policy there must do nothing. */
const policyNamespace = fc.constantFrom("a", "a", "a", "b", "b", "c", "istio-system");
const selector = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 2, arbitrary: fc.constantFrom("web", "api").map((app) => ({ matchLabels: { app } })) },
  { weight: 1, arbitrary: fc.constant({ matchLabels: { role: "front", app: "web" } }) },
);

const principal = fc.oneof(
  fc
    .tuple(fc.constantFrom(...namespaceNames), fc.constantFrom(...serviceAccounts))
    .map(([namespace, account]) => `cluster.local/ns/${namespace}/sa/${account}`),
  fc.constantFrom("*", "cluster.local/ns/a/*", "*/sa/web", "cluster.local/*", "other.example/ns/a/sa/web"),
);
const namespace = fc.constantFrom(...namespaceNames, "*", "a*", "*b");
const account = fc.oneof(
  fc.constantFrom(...serviceAccounts),
  fc.tuple(fc.constantFrom(...namespaceNames), fc.constantFrom(...serviceAccounts)).map((parts) => parts.join("/")),
);
const block = fc.constantFrom("10.1.0.0/16", "10.0.0.0/8", "169.254.169.254", "0.0.0.0/0", "198.51.100.128/25", "::/0");
const port = fc.constantFrom("80", "443", "8080", "1");

const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { minLength: 1, maxLength: 2 });
const single = <K extends string, T>(key: K, item: fc.Arbitrary<T>) =>
  some(item).map((values) => ({ [key]: values }) as Record<string, T[]>);

const source = fc
  .array(
    fc.oneof(
      single("principals", principal),
      single("notPrincipals", principal),
      single("namespaces", namespace),
      single("notNamespaces", namespace),
      single("ipBlocks", block),
      single("notIpBlocks", block),
    ),
    { minLength: 1, maxLength: 2 },
  )
  .map((parts): Record<string, unknown> => Object.assign({}, ...parts) as Record<string, unknown>);
/** Service accounts may not stand beside principals or namespaces. */
const accountSource = fc.oneof(
  single("serviceAccounts", account),
  single("notServiceAccounts", account),
) as fc.Arbitrary<Record<string, unknown>>;
const operation = fc.oneof(single("ports", port), single("notPorts", port)) as fc.Arbitrary<Record<string, unknown>>;
const condition: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc
    .tuple(fc.constantFrom("values", "notValues"), some(principal))
    .map(([kind, values]) => ({ key: "source.principal", [kind]: values })),
  fc
    .tuple(fc.constantFrom("values", "notValues"), some(namespace))
    .map(([kind, values]) => ({ key: "source.namespace", [kind]: values })),
  fc
    .tuple(fc.constantFrom("values", "notValues"), some(block))
    .map(([kind, values]) => ({ key: "source.ip", [kind]: values })),
  fc
    .tuple(fc.constantFrom("values", "notValues"), some(port))
    .map(([kind, values]) => ({ key: "destination.port", [kind]: values })),
);

/** HTTP's side of a rule: alone, or beside what a connection shows. */
const httpOperation = fc.oneof(
  single("methods", fc.constantFrom("GET", "POST")),
  single("paths", fc.constantFrom("/x", "/y*")),
  single("notMethods", fc.constant("GET")),
  fc
    .tuple(single("methods", fc.constant("GET")), single("ports", port))
    .map(([http, ports]) => ({ ...http, ...ports })),
) as fc.Arbitrary<Record<string, unknown>>;
const httpSource = fc.oneof(
  single("requestPrincipals", fc.constant("*")),
  fc
    .tuple(single("notRequestPrincipals", fc.constant("*")), single("namespaces", namespace))
    .map(([http, rest]) => ({ ...http, ...rest })),
) as fc.Arbitrary<Record<string, unknown>>;
const httpCondition = fc.constantFrom(
  { key: "request.headers[x-user]", values: ["admin"] },
  { key: "request.auth.claims[group]", notValues: ["staff"] },
);

const rule = fc.record({
  from: fc.option(
    some(
      fc
        .oneof(
          { weight: 8, arbitrary: source },
          { weight: 2, arbitrary: accountSource },
          { weight: 1, arbitrary: httpSource },
        )
        .map((one) => ({ source: one })),
    ),
    { nil: undefined, freq: 3 },
  ),
  to: fc.option(
    some(
      fc
        .oneof({ weight: 3, arbitrary: operation }, { weight: 1, arbitrary: httpOperation })
        .map((one) => ({ operation: one })),
    ),
    { nil: undefined, freq: 1 },
  ),
  when: fc.option(
    fc.array(
      fc.oneof(
        { weight: 8, arbitrary: condition },
        { weight: 1, arbitrary: httpCondition as fc.Arbitrary<Record<string, unknown>> },
      ),
      { minLength: 1, maxLength: 2 },
    ),
    { nil: undefined, freq: 1 },
  ),
});

const authorization = fc
  .tuple(
    policyNamespace,
    selector,
    fc.constantFrom(undefined, "ALLOW", "ALLOW", "DENY", "DENY", "AUDIT"),
    fc.oneof(
      { weight: 5, arbitrary: fc.array(rule, { minLength: 1, maxLength: 2 }) },
      { weight: 1, arbitrary: fc.constantFrom(undefined, []) },
    ),
    fc.nat({ max: 9 }),
  )
  .map(([where, subject, action, rules, dry]) => ({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    namespace: where,
    annotations: dry === 9 ? { "istio.io/dry-run": "true" } : undefined,
    spec: { selector: subject, action, rules } as Record<string, unknown>,
  }));

const mode = fc.constantFrom("UNSET", "PERMISSIVE", "STRICT", "STRICT", "DISABLE");
const authentication = fc
  .tuple(
    policyNamespace,
    selector,
    fc.option(mode, { nil: undefined }),
    fc.option(fc.tuple(fc.constantFrom("80", "8080"), mode), { nil: undefined, freq: 1 }),
  )
  .map(([where, subject, own, ofPort]) => ({
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    namespace: where,
    annotations: undefined,
    spec: {
      selector: subject,
      mtls: own ? { mode: own } : undefined,
      // Port levels stand on policies with a selector only.
      portLevelMtls: ofPort && subject ? { [ofPort[0]]: { mode: ofPort[1] } } : undefined,
    } as Record<string, unknown>,
  }));

export function istioPolicies(maxLength = 4): fc.Arbitrary<PolicyObject[]> {
  return fc
    .array(fc.oneof({ weight: 3, arbitrary: authorization }, { weight: 2, arbitrary: authentication }), {
      minLength: 1,
      maxLength,
    })
    .map((drafts) =>
      drafts.map(({ apiVersion, kind, namespace: where, annotations, spec }, index) =>
        plain({
          apiVersion,
          kind,
          // Written in reverse, so that the oldest is not the first.
          metadata: {
            name: `i-${index}`,
            namespace: where,
            annotations,
            creationTimestamp: `2026-01-0${9 - index}T00:00:00Z`,
          },
          spec,
        } as unknown as PolicyObject),
      ),
    );
}

/** Annotations by which some of a pod's traffic is kept from its sidecar. */
const captures: readonly Readonly<Record<string, string>>[] = [
  { "traffic.sidecar.istio.io/excludeInboundPorts": "80,8080" },
  { "traffic.sidecar.istio.io/includeInboundPorts": "80" },
  { "traffic.sidecar.istio.io/includeInboundPorts": "" },
  {
    "traffic.sidecar.istio.io/includeInboundPorts": "*",
    "traffic.sidecar.istio.io/excludeInboundPorts": "443",
  },
  {
    "traffic.sidecar.istio.io/includeInboundPorts": "8080,80",
    "traffic.sidecar.istio.io/excludeInboundPorts": "80",
  },
  { "traffic.sidecar.istio.io/excludeOutboundPorts": "80,443" },
  { "sidecar.istio.io/interceptionMode": "NONE" },
  { "sidecar.istio.io/interceptionMode": "TPROXY" },
];

/** The same cluster with annotations on its pods: `roll` says which, for one pod after the other. */
export function capturing(cluster: OracleCluster, roll: number): OracleCluster {
  const pods = cluster.pods.map((pod, index) => {
    const annotations = captures[(roll + 3 * index) % (captures.length + 2)];
    return annotations === undefined ? pod : { ...pod, annotations };
  });
  return { ...cluster, pods };
}

/** The same cluster with namespaces taken into the mesh: `a` always, `b` as rolled, `c` never. */
export function meshed(cluster: OracleCluster, ambient: boolean, both: boolean): OracleCluster {
  const label: Record<string, string> = ambient
    ? { "istio.io/dataplane-mode": "ambient" }
    : { "istio-injection": "enabled" };
  return {
    ...cluster,
    namespaces: cluster.namespaces.map((one) =>
      one.name === "a" || (both && one.name === "b") ? { ...one, labels: { ...one.labels, ...label } } : one,
    ),
  };
}
