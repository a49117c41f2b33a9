/** Scenarios as a file that people edit. */
import { dump } from "js-yaml";
import type { ScenarioGroup } from "./scenario";

/** The schema of a file of scenarios, where a project that has this package installed keeps it. */
const schemaPlace = "./node_modules/pulumi-cluster-security/scenarios.schema.json";

/** @param origin The file that they were made from. @param left What has no scenario, a line each. */
export function scenariosText(groups: readonly ScenarioGroup[], origin: string, left: readonly string[]): string {
  const lines = [
    `# yaml-language-server: $schema=${schemaPlace}`,
    `# Connections that must pass, and connections that must not. Made from ${oneLine(origin)}; edit and extend it.`,
    "# With packets:  cluster-security verify --context NAME --scenarios FILE --create-probe-pods",
    "# Computed:      cluster-security scenarios FILE --policies manifests/",
    ...(left.length === 0 ? [] : ["#", "# Without a scenario:", ...left.map((line) => `#   ${oneLine(line)}`)]),
    "scenarios:",
  ];
  for (const { title, scenarios } of groups) {
    if (scenarios.length === 0) continue;
    lines.push(`  # ${title}`);
    for (const scenario of scenarios) {
      const text = dump([scenario], { lineWidth: -1, noRefs: true });
      lines.push(
        ...text
          .trimEnd()
          .split("\n")
          .map((line) => `  ${line}`),
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** A comment ends with its line. */
function oneLine(text: string): string {
  return text.replaceAll(/[\r\n\u0085\u2028\u2029]+/g, " ");
}
