import assert from "node:assert/strict";
import { clusterSecurityPolicies, findingIds } from "../../policypack/guard";
import { settingsFrom } from "../../policypack/settings";
import { runPolicies, urnOf } from "../../policypack/testing";
import { holes } from "./support/holes";

describe("every finding that stops an operation by default", () => {
  it("has a stack with that hole", () => {
    const { levels } = settingsFrom();
    assert.deepEqual(
      holes.map(({ finding }) => finding).sort(),
      // drift needs an object that was changed in a cluster: tests/policypack/beside.test.ts
      findingIds.filter((id) => levels[id] === "mandatory" && id !== "live-drift").sort(),
    );
  });

  for (const { finding, resources, stopped, shownAt, args } of holes) {
    const byName = (name: string): string =>
      urnOf(resources.find((resource) => resource.name === name) ?? assert.fail(`no resource ${name}`));
    const place = shownAt ?? stopped;

    for (const operation of ["preview", "update"] as const) {
      it(`${finding} blocks ${operation === "preview" ? "a preview" : "an update that skips the preview"}`, async () => {
        const result = await runPolicies(clusterSecurityPolicies(args), resources, { operation });
        assert.ok(result.failed);
        const found = result.violations.filter(
          ({ message, level }) => level === "mandatory" && message.startsWith(`${finding}:`),
        );
        assert.ok(found.length > 0, JSON.stringify(result.violations, undefined, 1));
        if (place !== undefined) assert.ok(found.some(({ urn }) => urn === byName(place)));
        assert.ok(found.every(({ urn }) => urn !== ""));
        if (operation === "preview") return;
        assert.equal(result.stoppedAt, stopped === undefined ? undefined : byName(stopped));
        // what failed after creation says what stands and how to go back; what was stopped created nothing
        const told = result.violations.filter(({ message }) => /so they stand.*pulumi destroy/s.test(message));
        assert.equal(told.length, stopped === undefined ? 1 : 0);
      });
    }

    it(`${finding} stops nothing where it is disabled`, async () => {
      const level = { ...args, [finding]: "disabled" as const };
      const result = await runPolicies(clusterSecurityPolicies(level), resources, { operation: "preview" });
      assert.deepEqual(
        result.violations.filter(({ message }) => message.startsWith(finding)),
        [],
      );
    });
  }
});
