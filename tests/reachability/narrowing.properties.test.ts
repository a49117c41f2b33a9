/**
 * Who loses protection, on random changes of random clusterwide denies, against what the random parts mean: selectors are
 * made together with the predicate that they stand for, so that nothing of the engine takes part in the expected answer.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import { lostProtection } from "../../sdk/reachability/index";

/** A pod as selectors see it. */
interface Pod {
  readonly namespace: string;
  readonly tier?: string | undefined;
  readonly labels: Readonly<Record<string, string | undefined>>;
}

/** One thing asked of a pod or of its namespace, in both notations and as what it means. */
interface Requirement {
  readonly of: "pod" | "namespaceLabel" | "namespaceName";
  readonly expression: { readonly key: string; readonly operator: string; readonly values?: readonly string[] };
  readonly calico: string;
  readonly holds: (pod: Pod) => boolean;
}

/** What stays open in a direction that is denied. */
type Open = "nothing" | "a range" | "pods";

interface Deny {
  readonly all: readonly Requirement[];
  /** Calico only: one of these has to hold as well, for which a Kubernetes selector has no words. */
  readonly some: readonly Requirement[];
  readonly ingress?: Open | undefined;
  readonly egress?: Open | undefined;
}

const requirement: fc.Arbitrary<Requirement> = fc
  .record({
    field: fc.constantFrom("a", "b", "tier", "namespace"),
    operator: fc.constantFrom("In", "NotIn", "Exists", "DoesNotExist"),
    values: fc.subarray(["x", "y"], { minLength: 1 }),
  })
  .map(({ field, operator, values: drawn }): Requirement => {
    const isName = field === "namespace";
    // a namespace always has a name
    const how = isName && !operator.endsWith("In") ? "NotIn" : operator;
    const values = isName ? drawn.map((value) => (value === "x" ? "one" : "two")) : drawn;
    const listed = how.endsWith("In");
    const key = isName ? "namespace" : field;
    const quoted = values.map((value) => `'${value}'`).join(", ");
    const calico = {
      In: `${key} in {${quoted}}`,
      NotIn: `${key} not in {${quoted}}`,
      Exists: `has(${key})`,
      DoesNotExist: `!has(${key})`,
    };
    return {
      of: isName ? "namespaceName" : field === "tier" ? "namespaceLabel" : "pod",
      expression: { key, operator: how, ...(listed ? { values } : {}) },
      calico: calico[how as keyof typeof calico],
      holds: (pod) => {
        const value = isName ? pod.namespace : field === "tier" ? pod.tier : pod.labels[field];
        if (how === "Exists") return value !== undefined;
        if (how === "DoesNotExist") return value === undefined;
        const isListed = value !== undefined && values.includes(value);
        return how === "In" ? isListed : !isListed;
      },
    };
  });

/** What a selector of pods can ask; labels of namespaces have a selector of their own. */
const choice = fc.array(
  requirement.filter(({ of }) => of !== "namespaceLabel"),
  { maxLength: 2 },
);

const open = fc.option(fc.constantFrom<Open>("nothing", "nothing", "a range", "pods"), { nil: undefined, freq: 4 });
const deny: fc.Arbitrary<Deny> = fc.record({
  // mostly such that a pod without labels is covered: a policy that never was clusterwide is soon judged
  all: fc.array(
    requirement.filter(({ holds }) => holds({ namespace: "elsewhere", labels: {} })),
    { maxLength: 2 },
  ),
  some: choice,
  ingress: open,
  egress: open,
});
const changed: fc.Arbitrary<Deny> = fc.record({
  all: fc.array(requirement, { maxLength: 3 }),
  some: choice,
  ingress: open,
  egress: open,
});

const range = "10.0.0.0/8";

interface Notation {
  readonly name: string;
  readonly object: (deny: Deny) => KubeObject;
  /** What of a random deny the notation can say. */
  readonly sayable: (deny: Deny) => Deny;
}

const without = (deny: Deny): Deny => ({ ...deny, some: [] });
const metadata = { name: "default-deny-all" };
const matchExpressions = (
  all: readonly Requirement[],
  keys: Partial<Record<Requirement["of"], (key: string) => string>>,
) =>
  all.flatMap(({ of, expression }) => {
    const key = keys[of]?.(expression.key);
    return key === undefined ? [] : [{ ...expression, key }];
  });

const notations: readonly Notation[] = [
  {
    name: "cilium",
    sayable: without,
    object: ({ all, ingress, egress }) => ({
      apiVersion: "cilium.io/v2",
      kind: "CiliumClusterwideNetworkPolicy",
      metadata,
      spec: {
        endpointSelector: {
          matchExpressions: matchExpressions(all, {
            pod: (key) => key,
            namespaceName: () => "k8s:io.kubernetes.pod.namespace",
            namespaceLabel: (key) => `k8s:io.cilium.k8s.namespace.labels.${key}`,
          }),
        },
        enableDefaultDeny: { ingress: ingress !== undefined, egress: egress !== undefined },
        ingress: [
          ingress === "a range"
            ? { fromCIDR: [range] }
            : ingress === "pods"
              ? { fromEndpoints: [{ matchLabels: { a: "x" } }] }
              : {},
        ],
        egress: [
          egress === "a range"
            ? { toCIDR: [range] }
            : egress === "pods"
              ? { toEndpoints: [{ matchLabels: { a: "x" } }] }
              : {},
        ],
      },
    }),
  },
  {
    name: "calico",
    sayable: (deny) => deny,
    object: ({ all, some, ingress, egress }) => {
      const part = (of: readonly Requirement["of"][], key: string): string =>
        all
          .filter((one) => of.includes(one.of))
          .map(({ calico }) => `(${calico.replace("namespace", key)})`)
          .join(" && ");
      const either = some.map(({ calico }) => `(${calico.replace("namespace", "projectcalico.org/namespace")})`);
      const selectors = [part(["pod", "namespaceName"], "projectcalico.org/namespace"), either.join(" || ")];
      const selector = selectors.filter((text) => text !== "").map((text) => `(${text})`);
      const namespaceSelector = part(["namespaceLabel"], "");
      const rules = (opened: Open | undefined, end: "source" | "destination"): readonly object[] =>
        opened === undefined
          ? [{ action: "Allow" }]
          : opened === "a range"
            ? [{ action: "Allow", [end]: { nets: [range] } }]
            : opened === "pods"
              ? [{ action: "Allow", [end]: { selector: "a == 'x'" } }]
              : [];
      return {
        apiVersion: "projectcalico.org/v3",
        kind: "GlobalNetworkPolicy",
        metadata,
        spec: {
          tier: "default",
          order: 1000000,
          types: ["Ingress", "Egress"],
          // of pods only, as the planner writes it
          selector: ["has(projectcalico.org/namespace)", ...selector].join(" && "),
          ...(namespaceSelector === "" ? {} : { namespaceSelector }),
          ingress: rules(ingress, "source"),
          egress: rules(egress, "destination"),
        },
      };
    },
  },
  {
    name: "cluster-network-policy",
    // ranges are for egress only
    sayable: (deny) => ({ ...without(deny), ingress: deny.ingress === "a range" ? "nothing" : deny.ingress }),
    object: ({ all, ingress, egress }) => {
      const some = { pods: { namespaceSelector: {}, podSelector: { matchLabels: { a: "x" } } } };
      const accepted = (opened: Open | undefined, end: "from" | "to"): readonly object[] =>
        opened === "a range"
          ? [{ action: "Accept", [end]: [{ networks: [range] }] }]
          : opened === "pods"
            ? [{ action: "Accept", [end]: [some] }]
            : [];
      const everybody = { namespaces: {} };
      return {
        apiVersion: "policy.networking.k8s.io/v1alpha2",
        kind: "ClusterNetworkPolicy",
        metadata,
        spec: {
          tier: "Baseline",
          priority: 500,
          subject: {
            pods: {
              namespaceSelector: {
                matchExpressions: matchExpressions(all, {
                  namespaceName: () => "kubernetes.io/metadata.name",
                  namespaceLabel: (key) => key,
                }),
              },
              podSelector: { matchExpressions: matchExpressions(all, { pod: (key) => key }) },
            },
          },
          ...(ingress && { ingress: [...accepted(ingress, "from"), { action: "Deny", from: [everybody] }] }),
          ...(egress && {
            egress: [
              ...accepted(egress, "to"),
              { action: "Deny", to: [everybody, { networks: ["0.0.0.0/0", "::/0"] }] },
            ],
          }),
        },
      };
    },
  },
];

function covers({ all, some }: Deny, pod: Pod): boolean {
  const isChosen = some.length === 0 || some.some(({ holds }) => holds(pod));
  return all.every(({ holds }) => holds(pod)) && isChosen;
}

/** Whether more is open than before: a range and pods with a label are both more than nothing, and each not the other. */
function opens(before: Open | undefined, after: Open | undefined): boolean {
  if (before === undefined) return false;
  return after === undefined || (after !== "nothing" && after !== before);
}

function loses(before: Deny, after: Deny, pod: Pod): boolean {
  if (!covers(before, pod)) return false;
  if (!covers(after, pod)) return before.ingress !== undefined || before.egress !== undefined;
  return opens(before.ingress, after.ingress) || opens(before.egress, after.egress);
}

const stranger: Pod = { namespace: "elsewhere", labels: {} };

const isClusterwide = (deny: Deny): boolean =>
  covers(deny, stranger) && (deny.ingress !== undefined || deny.egress !== undefined);

const undefinedOr = (...values: string[]): readonly (string | undefined)[] => [undefined, ...values];

/** Every kind of pod there may be, those in the declaration's own namespace left out. */
const everyPod: readonly Pod[] = ["elsewhere", "one", "two"].flatMap((namespace) =>
  undefinedOr("x", "y", "other").flatMap((tier) =>
    undefinedOr("x", "y", "other").flatMap((a) =>
      undefinedOr("x", "y", "other").map((b): Pod => ({ namespace, tier, labels: { a, b } })),
    ),
  ),
);

const tiers: Readonly<Record<string, string | undefined>> = { one: "x", two: "other", shop: "y" };

/** Two namespaces of others and one of the declaration, with a pod of each kind. */
const running: readonly (Pod & { readonly id: string })[] = Object.keys(tiers).flatMap((namespace) =>
  undefinedOr("x", "other").flatMap((a) =>
    undefinedOr("y").map((b) => ({
      id: `${namespace}/pod-${a ?? "none"}-${b ?? "none"}[Pod]`,
      namespace,
      tier: tiers[namespace],
      labels: { a, b },
    })),
  ),
);

const objects: readonly SourcedObject[] = [
  ...Object.entries(tiers).map(([name, tier]) => ({
    object: { apiVersion: "v1", kind: "Namespace", metadata: { name, labels: { tier } } } as KubeObject,
    source: {},
  })),
  ...running.map(({ id, namespace, labels }) => ({
    object: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: id.slice(id.indexOf("/") + 1, -"[Pod]".length),
        namespace,
        labels: Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== undefined)),
      },
      spec: { containers: [{ name: "main", image: "registry.example/none:1" }] },
    } as KubeObject,
    source: {},
  })),
];

describe("who loses protection, on random changes", function () {
  this.timeout(120_000);
  const own = new Set(["shop"]);

  for (const { name, object, sayable } of notations) {
    const change = fc.tuple(deny.map(sayable), changed.map(sayable));
    const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 150);

    it(`${name}: exactly those running workloads of others that the change leaves with less`, () => {
      let asked = 0;
      fc.assert(
        fc.property(change, ([before, after]) => {
          const expected = isClusterwide(before)
            ? running.filter((pod) => !own.has(pod.namespace) && loses(before, after, pod)).map(({ id }) => id)
            : [];
          assert.deepEqual(lostProtection(object(before), object(after), { own, objects }), expected.sort());
          if (expected.length > 0) asked += 1;
        }),
        { numRuns },
      );
      assert.ok(asked > numRuns / 10 && asked < numRuns, `${asked} of ${numRuns} changes ask`);
    });

    it(`${name}: where the cluster is not known, somebody if and only if there can be a pod that has less`, () => {
      fc.assert(
        fc.property(change, ([before, after]) => {
          const isExpected = isClusterwide(before) && everyPod.some((pod) => loses(before, after, pod));
          const lost = lostProtection(object(before), object(after), { own });
          assert.equal(lost.length > 0, isExpected, lost.join());
        }),
        { numRuns },
      );
    });
  }
});
