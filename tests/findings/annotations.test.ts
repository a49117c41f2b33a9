import assert from "node:assert/strict";
import { applyAnnotations, evaluate, isViolation } from "../../sdk/findings";
import type { AnnotationOptions, Finding } from "../../sdk/findings";
import { reachabilityOf } from "./support";

const prefix = "exempt.pulumi-cluster-security/";
const good = "owner=platform; expires=2026-12-31; reason=reads the node's logs; and more";

/** A pod on the host network in a namespace, with an annotation. */
function world(
  home: string,
  annotations: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> = {},
) {
  const objects = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: home, labels } },
    {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "agent", namespace: home, annotations },
      spec: { hostNetwork: true, containers: [{ name: "x" }] },
    },
  ];
  const reachability = reachabilityOf(objects.map((object) => JSON.stringify(object)).join("\n---\n"));
  const found = evaluate(reachability).filter(({ id }) => id === "host-access");
  return (options: Partial<AnnotationOptions> = {}) =>
    applyAnnotations(found, reachability.snapshot, { today: "2026-11-21", ...options });
}

const open = (findings: readonly Finding[]) => findings.filter(isViolation).length;

describe("exemptions by annotation", () => {
  it("cover a finding about their own object, say until when, and keep owner and reason out of the message", () => {
    const { findings, overdue } = world("observability", { [`${prefix}host-access`]: good })();
    assert.equal(open(findings), 0);
    assert.deepEqual(overdue, []);
    const text = findings.find(({ exempt }) => exempt === true);
    assert.match(text?.message ?? "", /accepted until 2026-12-31 by an annotation of the object$/);
    assert.doesNotMatch(JSON.stringify([text?.message, text?.because]), /reads the node|platform/);
    assert.deepEqual(text?.detail, ["accepted by platform: reads the node's logs; and more"]);
  });

  it("cover nothing else", () => {
    const { findings, overdue } = world("observability", { [`${prefix}dns-cut`]: good })();
    assert.equal(open(findings), 1);
    assert.deepEqual(overdue, []);
  });

  it("end on their day", () => {
    const judged = world("observability", { [`${prefix}host-access`]: good });
    assert.equal(open(judged({ today: "2026-12-31" }).findings), 0);
    const late = judged({ today: "2027-01-01" });
    assert.equal(open(late.findings), 1);
    assert.match(late.overdue[0]?.because[0] ?? "", /ended on 2026-12-31/);
  });

  for (const value of [
    "",
    "because I say so",
    "owner=; expires=2026-12-31; reason=x",
    "owner=a; expires=2026-12-31; reason= ",
    "owner=a; expires=soon; reason=x",
    "owner=a; expires=2026-02-30; reason=x",
    "expires=2026-12-31; owner=a; reason=x",
  ]) {
    it(`count for nothing, and are a violation, as ${JSON.stringify(value)}`, () => {
      const { findings, overdue } = world("observability", { [`${prefix}host-access`]: value })();
      assert.equal(open(findings), 1);
      assert.equal(open(overdue), 1);
    });
  }

  it("are taken from the platform's namespaces alone unless more is permitted, and never from a tenant's", () => {
    const annotation = { [`${prefix}host-access`]: good };
    const cases: [ReturnType<typeof world>, Partial<AnnotationOptions>, boolean][] = [
      [world("observability", annotation), {}, true],
      [world("shop", annotation), {}, false],
      [world("shop", annotation), { platformNamespaces: ["shop"] }, true],
      [world("shop", annotation), { permitted: "applications" }, true],
      [world("shop", annotation, { tenant: "acme" }), { permitted: "applications" }, false],
      [world("shop", annotation), { permitted: "applications", tenants: { shop: "acme" } }, false],
      [world("shop", annotation, { tenant: "acme" }), { permitted: "everywhere" }, true],
      [world("observability", annotation), { permitted: "nowhere" }, false],
    ];
    for (const [judged, options, counts] of cases) {
      const { findings, overdue } = judged(options);
      assert.equal(open(findings), counts ? 0 : 1, JSON.stringify(options));
      assert.equal(open(overdue), counts ? 0 : 1, JSON.stringify(options));
    }
  });
});
