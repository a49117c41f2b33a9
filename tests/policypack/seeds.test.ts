/** The users' raw documents, put through the pack as if somebody had pasted them into a program. */
import assert from "node:assert/strict";
import { loadAll } from "js-yaml";
import { clusterSecurityPolicies } from "../../policypack/guard";
import { runPolicies, type TestResource } from "../../policypack/testing";
import { findings as seeds } from "../findings/seeds";

function resourcesOf(yaml: string): TestResource[] {
  return (loadAll(yaml) as { apiVersion: string; kind: string; metadata?: { name?: string } }[]).map(
    (object, index) => ({
      type: `kubernetes:${object.apiVersion}:${object.kind}`,
      name: `${object.metadata?.name ?? "unnamed"}-${index}`,
      props: object as unknown as Record<string, unknown>,
    }),
  );
}

const expected: Readonly<Record<string, RegExp[]>> = {
  "000": [/all-ports-rule: .*service-to-service/],
  "001": [
    /metadata-endpoints-closed.*allow-backend-external-apis opens a hole.*169\.254\.170\.2/s,
    /not-understood.*default-deny-egress: spec\.policyTypes/,
    /namespace-default-deny/,
  ],
  "002": [],
  "003": [/tier0-restricted/, /fqdn-without-dns-proxy/, /dns-cut|explicit-default-deny/],
  "004": [],
};

describe("the seeds' raw documents through the pack", () => {
  for (const [seed, texts] of Object.entries(expected)) {
    it(`names what is wrong in seed ${seed}`, async function () {
      const yaml = seeds.yamlOf(seed);
      if (yaml === undefined) return this.skip();
      const result = await runPolicies(clusterSecurityPolicies(), resourcesOf(yaml), { operation: "preview" });
      const shown = result.violations.map(({ message }) => message).join("\n");
      for (const text of texts) assert.match(shown, text);
    });
  }
});
