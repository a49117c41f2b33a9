import assert from "node:assert/strict";
import fc from "fast-check";
import type { Finding } from "../../sdk/findings";
import { evaluate, isViolation, rules } from "../../sdk/findings";
import type { KubeObject } from "../../sdk/reachability";
import { buildSnapshot, compile, inferProfile, unknownValue } from "../../sdk/reachability";
import { cases } from "./fixtures";
import type { Site } from "./mutations";
import { describeSite, sitesOf, withValue } from "./mutations";
import { seed } from "../properties/settings";

function judge({ id }: Site, objects: readonly KubeObject[]): Finding[] {
  const all = objects.map((object) => ({ object }));
  return evaluate(compile(buildSnapshot(all, { profile: inferProfile(all) })), cases[id]?.options ?? {});
}

const secret = "s3cr3t-Value!";
const bad = Object.entries(cases).flatMap(([id, { bad: documents }]) =>
  documents.flatMap(([yaml]) => sitesOf(id, yaml)),
);
const good = Object.entries(cases).flatMap(([id, { good: documents }]) =>
  documents.flatMap((yaml) => sitesOf(id, yaml)),
);
const any = fc.constantFrom(...bad, ...good);

/** An object's own name is what a finding has to say. */
const isName = ({ path }: Site): boolean =>
  ["metadata.name", "metadata.namespace", "kind", "apiVersion"].includes(path.join("."));

/**
 * Rules that say what is cut, or what a text promises. Where the input that they look at is not known, nothing is open
 * that was closed, and they say nothing.
 */
const silentAboutUnknowns: Readonly<Record<string, RegExp>> = {
  "kube-api-cut": /^RoleBinding\.(subjects|metadata)/,
  "probe-cut": /Probe|containers/,
  "webhook-cut": /^(ValidatingWebhookConfiguration|Service)\./,
  "replication-cut": /replicas/,
  "dns-cut": /^(CiliumLocalRedirectPolicy\.|Pod\.spec\.dns)/,
  "entrance-cut": /^(Gateway|HTTPRoute|Ingress|Service)\./,
  // whose address a rule names is not known where the Service's is not
  "service-address-named": /^Service\./,
  "proxy-service-named": /^(Gateway|Ingress|Service)\.|toServices/,
  // whether a section has an effect is not known where the default deny is not
  "section-without-effect": /enableDefaultDeny/,
  "order-hazard": /^Kustomization\./,
  // where another ClusterRole has the name, that one is meant
  "cluster-admin-binding": /^ClusterRole\.metadata/,
  // the keys below a map that is not known are not known either
  "bypass-undocumented": /(annotations|labels)$/,
  "staged-only": /annotations$/,
  "review-overdue": /annotations$/,
  "annotation-without-effect": /annotations/,
  "chart-value-ignored": /^Release\.spec\.values/,
};

function isExcepted(site: Site): boolean {
  return silentAboutUnknowns[site.id]?.test(describeSite(site)) === true;
}

describe("findings: malformed, unknown and secret values in every field", () => {
  it("S2-07: no value of any type in any field makes a rule throw", () => {
    const value = fc.oneof(
      fc.constantFrom<unknown>(unknownValue, null, 7, -1, true, [], {}, "", [[1], { x: null }]),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(any, value, (site, given) => {
        for (const finding of judge(site, withValue(site, given))) assert.ok(rules.some(({ id }) => id === finding.id));
      }),
      { numRuns: 250, seed },
    );
  });

  it("no value of a field is shown: names, paths, addresses and ports only", () => {
    const sites = fc.constantFrom(...[...bad, ...good].filter((site) => !isName(site)));
    fc.assert(
      fc.property(sites, (site) => {
        for (const { detail: _detail, ...finding } of judge(site, withValue(site, secret))) {
          assert.ok(!JSON.stringify(finding).includes(secret), `${describeSite(site)}: ${JSON.stringify(finding)}`);
        }
      }),
      { numRuns: 250, seed },
    );
  });

  it("an unknown value never lets pass what was found: the finding stays, or another one says what is not known", () => {
    const sites = fc.constantFrom(
      ...bad.filter((site) => !["kind", "apiVersion"].includes(site.path.join(".")) && !isExcepted(site)),
    );
    fc.assert(
      fc.property(sites, (site) => {
        const before = new Set(
          judge(site, site.objects)
            .filter(isViolation)
            .map(({ id, message }) => `${id} ${message}`),
        );
        const after = judge(site, withValue(site, unknownValue)).filter(isViolation);
        assert.ok(
          after.some(({ id, message }) => id === site.id || !before.has(`${id} ${message}`)),
          `${site.id} is silent about an unknown ${describeSite(site)}`,
        );
      }),
      { numRuns: 250, seed },
    );
  });
});
