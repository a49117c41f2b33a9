/** What the suites that deploy the examples share, whoever enforces. */
import { exampleNames } from "../../lab/whole-way/example-names";
import type { LiveReport } from "../../lab/whole-way/live-probes";

/** `ENFORCEMENT_EXAMPLES=web-app,shop` runs only these. */
const chosen = process.env["ENFORCEMENT_EXAMPLES"]?.split(",");

export const chosenExamples = exampleNames.filter((each) => chosen?.includes(each) ?? true);

/** What was probed while a stack changed, in a line. */
export function describeLive({ declared, undeclared, violations, uncounted, slow }: LiveReport): string {
  return `${declared} declared and ${undeclared} undeclared (${violations.length} wrong, ${slow} slow, ${uncounted} uncounted)`;
}
