/** The keys that versions of the charts lack, as they were read once from the published charts: none gets lost. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ciliumAbsentKeys } from "../../sdk/charts/cilium-keys";

const file = path.join(__dirname, "absent-keys.snapshot.json");

it("Cilium's chart: each key that a version lacks is refused there, with what takes its place", () => {
  const known = ciliumAbsentKeys.map(({ key, versions, instead = null }) => [key, versions, instead]);
  const text = `${JSON.stringify(known, undefined, 2)}\n`;
  if (process.env["UPDATE_SNAPSHOTS"] === "1") writeFileSync(file, text);
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), known);
});
