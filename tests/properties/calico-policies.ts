/** Random Calico tiers, policies (staged ones too), network sets and service accounts. */
import fc from "fast-check";
import type { PolicyObject } from "../oracle/cluster";
import { namespaceNames, plain, portNames, serviceAccounts } from "./arbitraries";

const quote = fc.constantFrom('"', "'");

/** The whole grammar, over the labels that generated pods and sets carry. */
export const podExpression: fc.Arbitrary<string> = expressionOver([
  ["app", ["web", "api", "db"]],
  ["role", ["front", "back"]],
  ["env", ["prod"]],
  ["projectcalico.org/serviceaccount", [...serviceAccounts]],
]);
export const namespaceExpression: fc.Arbitrary<string> = expressionOver([
  ["team", ["x", "y"]],
  ["tier", ["platform"]],
  ["kubernetes.io/metadata.name", [...namespaceNames]],
  ["projectcalico.org/name", [...namespaceNames]],
]);
const accountExpression: fc.Arbitrary<string> = expressionOver([["trust", ["high", "low"]]]);

function expressionOver(pool: readonly (readonly [string, readonly string[]])[]): fc.Arbitrary<string> {
  const pair = fc.constantFrom(...pool.flatMap(([key, values]) => values.map((value) => [key, value] as const)));
  const key = fc.constantFrom(...pool.map(([one]) => one));
  const comparison = fc.oneof(
    fc
      .tuple(pair, fc.constantFrom("==", "!="), quote, fc.constantFrom(" ", ""))
      .map(([[label, value], operator, mark, space]) => `${label}${space}${operator}${space}${mark}${value}${mark}`),
    fc
      .tuple(pair, pair, fc.constantFrom("in", "not in", "notin"), quote)
      .map(
        ([[label, value], [, other], operator, mark]) =>
          `${label} ${operator} {${mark}${value}${mark}, ${mark}${other}${mark}}`,
      ),
    key.map((label) => `has(${label})`),
    fc
      .tuple(pair, fc.constantFrom("contains", "starts with", "ends with", "startswith", "endswith"))
      .map(
        ([[label, value], operator]) =>
          `${label} ${operator} "${operator.startsWith("ends") ? value.slice(1) : value.slice(0, 2)}"`,
      ),
  );
  const tree = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      { weight: 5, arbitrary: comparison },
      { weight: 1, arbitrary: fc.constant("all()") },
      {
        weight: 1,
        arbitrary: fc
          .tuple(tie("expression"), fc.constantFrom("&&", "||"), tie("expression"))
          .map(([a, operator, b]) => `${a} ${operator} ${b}`),
      },
      { weight: 1, arbitrary: tie("expression").map((inner) => `!(${inner})`) },
      { weight: 1, arbitrary: tie("expression").map((inner) => `(${inner})`) },
    ),
  }));
  return tree.expression;
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>, freq = 1) => fc.option(arbitrary, { nil: undefined, freq });

/** The addresses of one rule are of one family, and it does not leave out all of them: Calico refuses others. */
const ranges: Readonly<Record<4 | 6, readonly [string, ...string[]]>> = {
  4: ["0.0.0.0/0", "10.1.0.0/16", "10.0.0.0/8", "169.254.169.254/32", "198.51.100.128/25"],
  6: ["::/0", "fd00:ec2::254/128", "8000::/1", "fd00::/8"],
};
const netsOf = (family: 4 | 6, whole: boolean) =>
  fc.uniqueArray(fc.constantFrom(...ranges[family].slice(whole ? 0 : 1)), { minLength: 1, maxLength: 2 });

const selectors = fc.record({
  selector: maybe(podExpression, 2),
  notSelector: fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: podExpression }),
  namespaceSelector: maybe(
    fc.oneof({ weight: 4, arbitrary: namespaceExpression }, { weight: 1, arbitrary: fc.constant("global()") }),
  ),
  serviceAccounts: fc.oneof(
    { weight: 5, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant({}) },
    { weight: 1, arbitrary: fc.constantFrom(...serviceAccounts).map((name) => ({ names: [name] })) },
    { weight: 1, arbitrary: accountExpression.map((selector) => ({ selector })) },
  ),
});
const entityOf = (family: 4 | 6) =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant({}) },
    { weight: 5, arbitrary: selectors },
    { weight: 2, arbitrary: netsOf(family, true).map((list) => ({ nets: list })) },
    { weight: 2, arbitrary: netsOf(family, false).map((list) => ({ notNets: list })) },
    {
      weight: 1,
      arbitrary: fc.tuple(netsOf(family, true), podExpression).map(([list, selector]) => ({ nets: list, selector })),
    },
  );
const entities = fc
  .constantFrom<4 | 6>(4, 4, 6)
  .chain((family) =>
    fc.tuple(
      entityOf(family),
      entityOf(family),
      fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constant(family) }),
    ),
  );

const ports = fc.array(
  fc.oneof(
    fc.constantFrom<number | string>(80, 443, 53, "80:8080", "1:79", "8081:65535"),
    fc.constantFrom(...portNames),
  ),
  { minLength: 1, maxLength: 2 },
);

const rule = (actions: readonly string[]) =>
  fc
    .tuple(
      fc.constantFrom(...actions),
      fc.constantFrom(undefined, undefined, "TCP", "UDP", "SCTP", 6, 17),
      fc.constantFrom(undefined, undefined, undefined, undefined, "UDP", 6),
      entities,
      fc.oneof(
        { weight: 2, arbitrary: fc.constant({}) },
        { weight: 2, arbitrary: ports.map((list) => ({ ports: list })) },
        { weight: 1, arbitrary: ports.map((list) => ({ notPorts: list })) },
      ),
    )
    .map(([action, protocol, notProtocol, [source, destination, ipVersion], portMatch]) => ({
      action,
      ipVersion,
      protocol,
      notProtocol,
      source,
      // Ports need a protocol that has them.
      destination: protocol === undefined ? destination : { ...destination, ...portMatch },
    }));

const spec = fc.record({
  tier: fc.constantFrom(undefined, "default", "security", "audit"),
  order: maybe(fc.constantFrom(1, 10, 500), 3),
  selector: maybe(podExpression, 2),
  types: fc.constantFrom(undefined, undefined, ["Ingress"], ["Egress"], ["Ingress", "Egress"]),
  ingress: maybe(fc.array(rule(["Allow", "Deny", "Pass", "Log"]), { maxLength: 3 }), 3),
  egress: maybe(fc.array(rule(["Allow", "Deny", "Pass", "Log"]), { maxLength: 3 }), 3),
});

const policy = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(fc.constantFrom(...namespaceNames), spec)
      .map(([namespace, body]) => ({ kind: "NetworkPolicy", namespace, spec: body as Record<string, unknown> })),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        spec,
        maybe(namespaceExpression),
        fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: accountExpression }),
      )
      .map(([body, namespaceSelector, serviceAccountSelector]) => ({
        kind: "GlobalNetworkPolicy",
        namespace: undefined,
        spec: { ...body, namespaceSelector, serviceAccountSelector } as Record<string, unknown>,
      })),
  },
  {
    weight: 1,
    arbitrary: spec.map((body) => ({
      kind: "StagedGlobalNetworkPolicy",
      namespace: undefined,
      spec: { stagedAction: "Set", ...body } as Record<string, unknown>,
    })),
  },
);

const apiVersion = "projectcalico.org/v3";

/** The tiers that policies name, with a random default action; their orders place them around the default tier. */
const tiers = fc
  .tuple(
    fc.constantFrom("Deny", "Pass", undefined),
    fc.constantFrom("Deny", "Pass", undefined),
    fc.constantFrom(100, 2_000_000),
  )
  .map(([first, second, order]) => [
    { apiVersion, kind: "Tier", metadata: { name: "security" }, spec: { order, defaultAction: first } },
    { apiVersion, kind: "Tier", metadata: { name: "audit" }, spec: { order: 500, defaultAction: second } },
  ]);

const sets: readonly unknown[] = [
  {
    apiVersion,
    kind: "GlobalNetworkSet",
    metadata: { name: "cloud", labels: { app: "web", role: "front" } },
    spec: { nets: ["169.254.169.254/32", "fd00:ec2::254/128"] },
  },
  {
    apiVersion,
    kind: "NetworkSet",
    metadata: { name: "office", namespace: "a", labels: { app: "api" } },
    spec: { nets: ["198.51.100.128/25", "10.2.0.0/24"] },
  },
];
const accounts: readonly unknown[] = namespaceNames.flatMap((namespace) =>
  serviceAccounts.map((name, index) => ({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace, labels: { trust: index === 0 ? "low" : "high" } },
  })),
);

export function calicoObjects(maxLength = 4): fc.Arbitrary<PolicyObject[]> {
  return fc.tuple(tiers, fc.array(policy, { minLength: 1, maxLength })).map(([declared, drafts]) => {
    const policies = drafts.map(({ kind, namespace, spec: body }, index) => ({
      apiVersion,
      kind,
      metadata: { name: `p-${index}`, ...(namespace ? { namespace } : {}) },
      spec: body,
    }));
    return plain([...declared, ...sets, ...accounts, ...policies]) as PolicyObject[];
  });
}
