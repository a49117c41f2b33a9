/**
 * One declaration, two enforcers: the policies of each example and of random declarations stand on a real Cilium and then on a
 * real Calico, and the same connections are tried on both. `ENFORCEMENT_DECLARATIONS` says how many random ones (default 2),
 * `ENFORCEMENT_EXAMPLES` which examples (default web-app), `ENFORCEMENT_SEED` repeats a run.
 */
import assert from "node:assert/strict";
import Table from "cli-table3";
import fc from "fast-check";
import type { EnforcerName } from "../../lab/datapath/index";
import { loadExample } from "../../lab/examples/index";
import type { ExampleName } from "../../lab/examples/names";
import { dialectsOf } from "../../lab/whole-way/index";
import { Dialect } from "../../sdk/index";
import { commonDeclaration } from "../plan/random-declarations";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import { skipWithoutCalico } from "./calico";
import type { SameDeclaration } from "./same-declaration";
import { compareOutcomes, plannedIn, sameDeclaration } from "./same-declaration";
import { sharedDatapath } from "./shared-datapath";
import { chosenExamples } from "./whole-way";
import { putUp, takeDown } from "./world";

/** One takes a minute or two: more only where they are asked for. */
const examples: readonly ExampleName[] =
  process.env["ENFORCEMENT_EXAMPLES"] === undefined ? ["web-app"] : chosenExamples;
const seed = Number(process.env["ENFORCEMENT_SEED"] ?? Date.now() % 2_147_483_647);
const count = Number(process.env["ENFORCEMENT_DECLARATIONS"] ?? 2);

/** What each enforcer is given: policies of its own API, and the API that both read. */
const ways: readonly { readonly title: string; readonly dialects: Readonly<Record<EnforcerName, Dialect>> }[] = [
  { title: "each its own", dialects: { cilium: dialectsOf.cilium[0], calico: dialectsOf.calico[0] } },
  { title: "kubernetes", dialects: { cilium: Dialect.Kubernetes, calico: Dialect.Kubernetes } },
];

const enforcers = ["cilium", "calico"] as const;

describe("enforcement: the same declaration on a real Cilium and a real Calico", () => {
  before(async function () {
    await skipWithoutCalico(this);
  });

  it(`S0-07, S0-11: of ${examples.join(", ")} both let pass the same`, async function () {
    this.timeout(300_000 + examples.length * 120_000);
    const loaded = await Promise.all(examples.map(loadExample));
    await proved(loaded.map(({ name, declaration }) => sameDeclaration(name, declaration)));
  });

  it(`S0-07, S0-11: of ${count} random declarations both let pass the same`, async function () {
    this.timeout(300_000 + count * 120_000);
    console.log(`      ENFORCEMENT_SEED=${seed} ENFORCEMENT_DECLARATIONS=${count}`);
    const large = commonDeclaration.filter(
      ({ workloads = [], flows = [] }) => workloads.length >= 4 && flows.length >= 4,
    );
    const declarations = fc.sample(large, { seed, numRuns: count });
    await proved(declarations.map((declaration, index) => sameDeclaration(`random ${index + 1}`, declaration)));
  });
});

/** Measures all of them on one enforcer after the other; prints a table of what was tried. */
async function proved(declarations: readonly SameDeclaration[]): Promise<void> {
  const wrong: string[] = [];
  const measured = new Map<string, Record<EnforcerName, readonly string[]>>();
  for (const enforcer of enforcers) {
    const on = await sharedDatapath(enforcer === "calico" ? { cni: "calico" } : {});
    await on.cluster.untilReadyIn("kube-system");
    for (const each of declarations) {
      await putUp(on.cluster, each.world);
      for (const { title, dialects } of ways) {
        const { policies } = plannedIn(each, dialects[enforcer]);
        const { measured: outcomes, disagreements } = await compareOnDatapath(on, policies, each.probes);
        const key = `${each.name}, ${title}`;
        measured.set(key, { cilium: [], calico: [], ...measured.get(key), [enforcer]: outcomes });
        wrong.push(...describeDisagreements(disagreements).map((text) => `${key} on ${enforcer}: ${text}`));
      }
      await takeDown(on.cluster, each.world);
    }
  }
  const table = new Table({ head, style: plain });
  for (const each of declarations) {
    for (const { title, dialects } of ways) {
      const warnings = enforcers.flatMap((enforcer) => plannedIn(each, dialects[enforcer]).warnings);
      const outcomes = measured.get(`${each.name}, ${title}`) ?? assert.fail(each.name);
      const { probes, allowed, announced, different } = compareOutcomes(each.probes, outcomes, warnings);
      table.push([each.name, title, probes, allowed, announced, different.length]);
      wrong.push(...different.map((text) => `${each.name}, ${title}: ${text}`));
    }
  }
  console.log(table.toString().replaceAll(/^/gm, "      "));
  assert.deepEqual(wrong, []);
}

const head = ["declaration", "policies", "probes", "pass with both", "other as announced", "other"];

const plain = { head: [], border: [], compact: true };
