import type { Problem } from "../../reachability";
import { objectsOfResources, type PulumiResource } from "./pulumi-resources";
import { isMap } from "../../reachability/model/plain";
import { isResource } from "./pulumi-state";
import type { SourceContent } from "./types";

/** Whether parsed JSON is the digest that `pulumi preview --json` prints. */
export function isPulumiPreview(value: unknown): boolean {
  return isMap(value) && Array.isArray(value["steps"]) && value["steps"].every(isStep);
}

function isStep(value: unknown): value is Readonly<Record<string, unknown>> {
  return isMap(value) && typeof value["op"] === "string" && typeof value["urn"] === "string";
}

/** Steps that take a resource away; every other one says what there will be. */
const removing: ReadonlySet<string> = new Set([
  "delete",
  "delete-replaced",
  "discard",
  "discard-replaced",
  "read-discard",
  "remove-pending-replace",
]);

/** The Kubernetes objects that there will be after the update a Pulumi preview describes. */
export function readPulumiPreview(value: unknown, file: string | undefined): SourceContent {
  const digest = isMap(value) ? value : {};
  const steps = Array.isArray(digest["steps"]) ? digest["steps"].filter(isStep) : [];
  // A replacement has several steps for one URN; the last one that has a new state holds.
  const resources = new Map<string, PulumiResource>();
  const problems: Problem[] = [];
  for (const step of steps) {
    if (removing.has(String(step["op"]))) continue;
    const urn = String(step["urn"]);
    const state = step["newState"];
    if (isResource(state)) {
      resources.set(urn, state);
    } else if (urn.includes("::kubernetes:") || urn.includes("$kubernetes:")) {
      problems.push({
        code: "unreadable",
        message: "the preview does not hold the new state of this resource",
        source: { urn, ...(file === undefined ? {} : { file }) },
        affectsVerdicts: true,
      });
    }
  }
  const content = objectsOfResources([...resources.values()], file, "inputs");
  return { ...content, problems: [...content.problems, ...problems, ...leftOut(digest, steps, file)] };
}

/** A preview leaves unchanged resources out unless told otherwise, and then a default deny seems to be missing. */
function leftOut(
  digest: Readonly<Record<string, unknown>>,
  steps: readonly Readonly<Record<string, unknown>>[],
  file: string | undefined,
): Problem[] {
  const summary = digest["changeSummary"];
  const same = isMap(summary) && typeof summary["same"] === "number" ? summary["same"] : 0;
  const shown = steps.filter((step) => step["op"] === "same").length;
  if (same <= shown) return [];
  return [
    {
      code: "unreadable",
      message: `the preview leaves out ${same - shown} unchanged resources: make it with "pulumi preview --json --show-sames"`,
      ...(file === undefined ? {} : { source: { file } }),
      affectsVerdicts: true,
    },
  ];
}
