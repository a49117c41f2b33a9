/** Everything about a declaration's monitoring as files, for clusters that this package does not deploy to. */
import { dump } from "js-yaml";
import type { MonitoringPlan } from "./plan";
import { prometheusRule } from "./prometheus-rule";

/** A file, by its path below the folder. */
export interface MonitoringFile {
  readonly file: string;
  readonly text: string;
}

/** The files, sorted by name; the same declaration gives the same bytes. */
export function monitoringFiles(monitoring: MonitoringPlan): readonly MonitoringFile[] {
  const { rules, alertmanager, dashboards, documents, values } = monitoring;
  const object = prometheusRule(rules, { name: "cluster-security", namespace: "monitoring" });
  const files = [
    { file: "rules.yaml", text: yaml(rules) },
    { file: "prometheus-rule.yaml", text: yaml(object) },
    {
      file: "alertmanager.yaml",
      text: `# Merge into Alertmanager's configuration, and fill in who the receivers are.\n${muteReasons(monitoring)}${yaml(alertmanager)}`,
    },
    ...values.map(({ file, about, values: content }) => ({ file, text: `# ${about}\n${yaml(content)}` })),
    ...dashboards.map((dashboard) => ({
      file: `dashboards/${dashboard.uid}.json`,
      text: `${JSON.stringify(dashboard, null, 2)}\n`,
    })),
    ...documents,
  ];
  return [...files].sort((a, b) => (a.file < b.file ? -1 : 1));
}

function muteReasons({ settings }: MonitoringPlan): string {
  return settings.mutes
    .map(
      ({ from, until, reason }, index) =>
        `# cluster-security-mute-${index + 1}: ${from} to ${until}, ${reason.replace(/\s+/g, " ")}\n`,
    )
    .join("");
}

/** As people write it: no references, no folded lines. */
function yaml(value: unknown): string {
  return dump(value, { noRefs: true, lineWidth: -1 });
}
