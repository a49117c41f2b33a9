/** What the suites that deploy the examples share, whoever enforces. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { EnforcerName } from "../../lab/datapath/index";
import { loadExample } from "../../lab/examples/index";
import type { ExampleName } from "../../lab/examples/names";
import { exampleNames } from "../../lab/examples/names";
import type { ExamplesLab } from "../../lab/whole-way/index";
import { openExamplesLab, problemsOf, runWholeWay } from "../../lab/whole-way/index";
import type { LiveReport } from "../../lab/whole-way/live-probes";
import type { Dialect } from "../../sdk/index";
import { skipWithoutCalico } from "./calico";
import { closeSharedDatapath } from "./shared-datapath";

/** `ENFORCEMENT_EXAMPLES=web-app,shop` runs only these. */
const chosen = process.env["ENFORCEMENT_EXAMPLES"]?.split(",");

export const chosenExamples = exampleNames.filter((each) => chosen?.includes(each) ?? true);

/** `ENFORCEMENT_SAMPLE=all` tries every undeclared path, and not only 5 from each workload. */
const sample = process.env["ENFORCEMENT_SAMPLE"] === "all" ? "all" : 5;

/** The lab that a suite deploys its examples on. */
export interface ExamplesSuite {
  /** Where it runs: from the first test on. */
  lab(): ExamplesLab;
  /** Deploys an example, probes it all the while, and fails where anything is not as it must be. */
  wholeWay(name: ExampleName, dialect?: Dialect): Promise<void>;
}

/** Opens the lab before the tests of the suite that calls it and ends it after them. Skips them where `cni` cannot run. */
export function examplesSuite(cni: EnforcerName): ExamplesSuite {
  let on: ExamplesLab | undefined;
  let folder = "";
  const lab = (): ExamplesLab => on ?? assert.fail("the suite has a lab");

  before(async function () {
    this.timeout(600_000);
    if (cni === "calico") await skipWithoutCalico(this);
    // there is room for one
    await closeSharedDatapath();
    folder = mkdtempSync(path.join(tmpdir(), "cluster-security-examples-"));
    on = await openExamplesLab({ dataDir: folder, quiet: true, cni });
  });

  after(async function () {
    this.timeout(120_000);
    await on?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  return {
    lab,
    wholeWay: async (name, dialect) => {
      const { lab: opened, cluster, hubble } = lab();
      const result = await runWholeWay(await loadExample(name), {
        ...{ lab: opened, cluster, sample },
        ...(hubble === undefined ? {} : { hubble }),
        ...(dialect === undefined ? {} : { dialect }),
        signal: new AbortController().signal,
        tables: path.join(folder, "tables"),
      });
      const { up, destroy, verification, byHand, hubble: told } = result;
      console.log(`      during up: ${describeLive(up)}`);
      console.log(
        `      then ${verification.probes.length} probes, ${verification.unprobed.length} parts not to be probed here; ` +
          (told === undefined ? "" : `${told.asked} drops told by Hubble; `) +
          `${byHand.policy} deleted by hand: ${byHand.changed.length} probes change`,
      );
      console.log(`      during destroy: ${describeLive(destroy)}`);
      assert.deepEqual(problemsOf(result), []);
    },
  };
}

/** What was probed while a stack changed, in a line. */
function describeLive({ declared, undeclared, violations, uncounted, slow }: LiveReport): string {
  return `${declared} declared and ${undeclared} undeclared (${violations.length} wrong, ${slow} slow, ${uncounted} uncounted)`;
}
