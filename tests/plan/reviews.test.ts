import assert from "node:assert/strict";
import fc from "fast-check";
import { evaluate } from "../../sdk/findings/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import {
  DeclarationError,
  Dialect,
  Tier,
  cidr,
  flow,
  fqdn,
  namespace,
  plan,
  planEgress,
  planTenant,
  reviewAnnotation,
  tcp,
  workload,
} from "../../sdk/plan/index";
import { worldOf } from "./world";
import { formatPath } from "../../sdk/property-path";

const today = "2026-11-21";
const dialects = Object.values(Dialect);

/** Flows with days of their own: `early` and `late` between pods, and what a shared service does. */
function declarationWith(days: { early?: string; late?: string; all?: string }): ClusterSecurityDeclaration {
  const day = (reviewBy?: string): { reviewBy?: string } => (reviewBy === undefined ? {} : { reviewBy });
  return {
    namespaces: [namespace("shop"), namespace("tools", { tier: Tier.SharedServices })],
    workloads: [workload("shop/web"), workload("shop/api"), workload("shop/db")],
    flows: [
      flow("web").to("api").on(tcp(80)).because("pages").ownedBy("web", day(days.early)),
      flow("api").to("db").on(tcp(5432)).because("products").ownedBy("api", day(days.late)),
      flow("web").to("db").on(tcp(5432)).because("sessions").ownedBy("web", day(days.late)),
    ],
    platform: {
      services: [
        {
          name: "scanner",
          workloads: [workload("tools/scanner")],
          flows: [
            flow("tools/scanner")
              .to(cidr("203.0.113.0/24"))
              .on(tcp(443))
              .because("feeds")
              .ownedBy("sec", day(days.late)),
          ],
        },
      ],
    },
    ...day(days.all),
  };
}

/** Review days by the policy that carries them. */
function daysOf(declaration: ClusterSecurityDeclaration): ReadonlyMap<string, string | undefined> {
  return new Map(
    plan(declaration).documents.map(({ logicalName, object }) => [
      logicalName,
      object.metadata.annotations?.[reviewAnnotation],
    ]),
  );
}

function overdue(declaration: ClusterSecurityDeclaration, day = today): readonly string[] {
  const { reachability } = worldOf(declaration);
  return evaluate(reachability, { today: day })
    .filter(({ id }) => id === "review-overdue")
    .map(({ subject }) => subject.name)
    .sort();
}

describe("days by which policies are reviewed", () => {
  for (const dialect of dialects) {
    it(`S1-23: a planned policy whose day has passed is found, one whose day lies ahead is not (${dialect})`, () => {
      const late = { ...declarationWith({ early: "2026-11-20", late: "2027-03-01" }), dialect };
      const found = overdue(late);
      assert.ok(found.length > 0);
      for (const name of found) assert.match(name, /web/, "only policies that hold the overdue flow");
      assert.deepEqual(overdue({ ...declarationWith({ early: today, late: "2027-03-01" }), dialect }), []);
      assert.deepEqual(overdue({ ...declarationWith({}), dialect }), []);
      // the same plan, a year later: everything that names a day, and nothing else
      const dated = [...daysOf(late)].filter(([, day]) => day !== undefined);
      assert.ok(dated.length < daysOf(late).size);
      assert.equal(overdue(late, "2027-03-02").length, dated.length);
    });

    it(`S1-23: each policy carries the earliest day of its flows, or the declaration's (${dialect})`, () => {
      const days = { early: "2027-01-01", late: "2027-02-01", all: "2027-03-01" };
      const carried = daysOf({ ...declarationWith(days), dialect });
      const policies = [...carried].filter(([name]) => !/^cluster-security(-guard)?$/.test(name));
      assert.ok(policies.every(([, day]) => day !== undefined));
      const of = (part: string): readonly (string | undefined)[] =>
        policies.filter(([name]) => name.includes(part)).map(([, day]) => day);
      assert.deepEqual([...new Set(of("allow-web-to-api"))], [days.early]);
      assert.deepEqual([...new Set(of("allow-web-egress"))], [days.early]);
      assert.deepEqual([...new Set(of("allow-api-to-db"))], [days.late]);
      assert.deepEqual([...new Set(of("scanner"))], [days.late]);
      assert.ok(of("default-deny-all").every((day) => day === days.all));
    });
  }

  it("S1-23: is said when the plan is made, too", () => {
    const declaration = { ...declarationWith({ early: "2026-11-20", all: "2026-11-19" }), asOf: today };
    const warning = plan(declaration).warnings.find(({ code }) => code === "review-overdue");
    assert.deepEqual(warning?.paths, ["reviewBy", "flows[0]"]);
    assert.ok(!plan({ ...declaration, asOf: "2026-11-19" }).warnings.some(({ code }) => code === "review-overdue"));
  });

  it("is part of a tenant's and of an egress policy's plan", () => {
    const reviewBy = "2027-03-01";
    const egress = planEgress("out", {
      namespace: "shop",
      reviewBy,
      hosts: [{ host: "api.example.com", reason: "payments", owner: "shop" }],
    });
    const tenant = planTenant({ tenant: { name: "a", namespaces: ["a"] }, namespaces: [namespace("a")], reviewBy });
    for (const { object } of [...egress.documents, ...tenant.documents]) {
      assert.equal(object.metadata.annotations?.[reviewAnnotation], reviewBy, object.metadata.name);
    }
  });

  it("is refused where it is no day, with path and fix", () => {
    for (const [change, path] of [
      [{ reviewBy: "spring" }, "reviewBy"],
      [
        {
          flows: [
            flow("web").to(fqdn("a.example.com")).on(tcp(443)).because("x").ownedBy("y", { reviewBy: "2027-13-01" }),
          ],
        },
        "flows[0].reviewBy",
      ],
    ] as const) {
      assert.throws(
        () => plan({ ...declarationWith({}), ...change } as ClusterSecurityDeclaration),
        (error) =>
          error instanceof DeclarationError &&
          formatPath(error.problems[0]?.path ?? []) === path &&
          error.problems.length === 1,
      );
    }
  });

  it("is never later on a policy than on any of its flows", () => {
    const day = fc.option(fc.constantFrom("2026-12-01", "2027-01-01", "2027-02-01"), { nil: undefined });
    fc.assert(
      fc.property(day, day, day, fc.constantFrom(...dialects), (early, late, all, dialect) => {
        const declaration = {
          ...declarationWith({ ...(early && { early }), ...(late && { late }), ...(all && { all }) }),
          dialect,
        };
        for (const [name, carried] of daysOf(declaration)) {
          const ownDay = /web-to-api/.test(name) ? early : /(api|web)-to-db|scanner/.test(name) ? late : undefined;
          if (ownDay !== undefined) assert.equal(carried, ownDay, name);
        }
      }),
      { numRuns: 60 },
    );
  });
});
