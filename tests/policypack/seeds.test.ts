/** The users' raw documents, put through the pack as if somebody had pasted them into a program. */
import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { clusterSecurityPolicies } from "../../policypack/guard";
import { runPolicies, type TestResource } from "../../policypack/testing";
import { findings as seeds } from "../findings/seeds";

interface Document {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name?: string };
  readonly spec?: object;
}

function resourcesOf(documents: readonly Document[]): TestResource[] {
  return documents.map((object, index) => ({
    type: `kubernetes:${object.apiVersion}:${object.kind}`,
    name: `${object.metadata?.name ?? "unnamed"}-${index}`,
    props: object as unknown as Record<string, unknown>,
  }));
}

async function shownIn(documents: readonly Document[]): Promise<{ shown: string; failed: boolean }> {
  const policies = clusterSecurityPolicies();
  const { violations, failed } = await runPolicies(policies, resourcesOf(documents), { operation: "preview" });
  return { shown: violations.map(({ message }) => message).join("\n\n"), failed };
}

/** What else the documents' own objects let through; the last column says whether a preview of them is stopped. */
const verdicts = [
  ["000", [], false],
  ["001", [/namespace-default-deny/, /allow-backend-external-apis opens a hole.*169\.254\.170\.2/s], true],
  ["002", [], false],
  ["003", [], true],
  ["004", [], false],
] as const;

describe("the seeds' raw documents through the pack", () => {
  for (const [seed, texts, stopped] of verdicts) {
    const defects = seeds.expected.filter((each) => each.seed === seed);
    it(`names every known defect of the objects in seed ${seed}: ${[...new Set(defects.map(({ defect }) => defect))].join(", ") || "it prints none"}`, async function () {
      const yaml = seeds.yamlOf(seed);
      if (yaml === undefined) return this.skip();
      const documents = loadAll(yaml).filter((each) => each !== null && each !== undefined) as Document[];
      // two of the five are prose
      assert.equal(documents.length === 0, ["002", "004"].includes(seed));
      const { shown, failed } = await shownIn(documents);
      assert.equal(failed, stopped);
      for (const text of texts) assert.match(shown, text);
      for (const { defect, id, says } of defects) {
        const found = shown.split("\n\n").filter((message) => message.includes(id));
        assert.ok(
          found.some((message) => says.test(message)),
          `${defect} is not named: ${shown}`,
        );
      }
    });
  }

  it("B07: once the refused default deny of seed 001 is repaired, the flows that have one half only are named", async function () {
    const yaml = seeds.yamlOf("001");
    if (yaml === undefined) return this.skip();
    const documents = (loadAll(yaml) as Document[]).map((document) =>
      document.metadata?.name === "default-deny-egress"
        ? { ...document, spec: { podSelector: {}, policyTypes: ["Egress"] } }
        : document,
    );
    const { shown } = await shownIn(documents);
    for (const name of ["allow-frontend-to-backend", "allow-backend-to-database", "allow-backend-to-cache"]) {
      assert.match(shown, new RegExp(`NetworkPolicy app/${name} allows what the other side of the flow denies`));
    }
  });
});
