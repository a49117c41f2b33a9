/** The line that a finding is about. */
import type { Finding } from "../../findings";
import type { Source } from "../../reachability";
import { describeSource, placeOfFinding } from "../../reports";
import { locate } from "../locate";

/** Paths of fields, as findings name them: `spec.egress[0].toPorts`. */
const fieldPath = /\b(?:spec|specs|metadata|roleRef|subjects)(?:\[\d+\])?(?:\.[A-Za-z][A-Za-z0-9]*(?:\[\d+\])?)*/g;

/**
 * Where to look for what a finding says: the line of the field that it names first and that its object has, else the line on
 * which the object begins.
 */
function lineOfFinding(finding: Finding): Source | undefined {
  const place = placeOfFinding(finding);
  if (place?.file === undefined) return place;
  for (const [path] of [finding.message, ...finding.because].join("\n").matchAll(fieldPath)) {
    const line = locate(place, path);
    if (line !== undefined && line !== place) return line;
  }
  return place;
}

/** `shop.yaml:34`. */
export function placeOf(finding: Finding): string | undefined {
  return describeSource(lineOfFinding(finding));
}
