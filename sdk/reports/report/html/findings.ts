import { severities } from "../../../findings";
import type { ReportFinding, ReportModel } from "../model";
import { markup, type Markup } from "./markup";
import { search } from "./tables";
import { count, severityBadge } from "./words";

/** So many findings of one group stand in the page; all are in the other formats. */
const shownOfGroup = 100;

/** Violations by severity and rule, then what is exempt and what is only worth knowing. */
export function findingsSection({ findings }: ReportModel): Markup {
  const violations = findings.filter(({ state }) => state === "violation" || state === "possible");
  const exempt = findings.filter(({ state }) => state === "exempt");
  const known = findings.filter(({ state }) => state === "info");
  return markup`<section id="findings">
    <h2>Findings</h2>
    ${
      violations.length === 0
        ? markup`<p class="empty">No rule finds a violation.</p>`
        : markup`${search("finding-list", "Search findings")}
            <div id="finding-list">${groupsOf(violations).map(groupOf)}</div>`
    }
    ${others("Exempt", "Accepted by someone, or of tier 0; never counted as a violation.", exempt)}
    ${others("Worth knowing", "Nothing to repair.", known)}
  </section>`;
}

/** Worst first, certain before possible; one group for what one fix repairs. */
function groupsOf(findings: readonly ReportFinding[]): ReportFinding[][] {
  const groups = new Map<string, ReportFinding[]>();
  for (const finding of findings) {
    const key = JSON.stringify([finding.rule, finding.severity, finding.state, finding.fix]);
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [finding]);
    else known.push(finding);
  }
  const rank = ([first]: ReportFinding[]): number =>
    severities.findIndex((severity) => severity === first?.severity) * 2 + (first?.state === "possible" ? 1 : 0);
  return [...groups.values()].sort((a, b) => rank(a) - rank(b));
}

function groupOf(group: readonly ReportFinding[]): Markup {
  const [first] = group;
  if (first === undefined) return markup``;
  const { rule, severity, state, fix, controls, because } = first;
  const isOneCause = group.every((each) => each.because.join("\n") === because.join("\n"));
  const shown = group.slice(0, shownOfGroup);
  return markup`<details class="group ${severity}" ${severity === "critical" || severity === "high" ? markup` open` : ""}>
    <summary>
      ${severityBadge(severity)} <strong>${rule}</strong>
      <span class="quiet"
        >${count(group.length, "finding")}${state === "possible" ? ", possibly: something is not known" : ""}</span
      >
    </summary>
    <ul>
      ${shown.map(
        (each) =>
          markup`<li data-row>
            ${each.message}${each.place === undefined ? "" : markup` <span class="place">${each.place}</span>`}
            ${isOneCause ? "" : reasons(each.because)}
          </li>`,
      )}
    </ul>
    ${group.length > shown.length && markup`<p class="quiet">and ${group.length - shown.length} more; CSV and JSON list all.</p>`}
    ${isOneCause && because.length > 0 && markup`<p class="because">Because ${because.join("; ")}.</p>`}
    <p><strong>Fix:</strong> ${fix}</p>
    <p class="quiet">Controls: ${controls.join("; ")}</p>
  </details>`;
}

function reasons(because: readonly string[]): Markup {
  return because.length === 0
    ? markup``
    : markup`<ul class="because">
        ${because.map((reason) => markup`<li>because ${reason}</li>`)}
      </ul>`;
}

function others(title: string, explanation: string, findings: readonly ReportFinding[]): Markup {
  if (findings.length === 0) return markup``;
  const messages = [...new Set(findings.map(({ message }) => message))];
  const shown = messages.slice(0, shownOfGroup);
  return markup`<details class="group">
    <summary>
      <strong>${title}</strong>
      <span class="quiet">${count(messages.length, "entry").replace("entrys", "entries")}. ${explanation}</span>
    </summary>
    <ul>
      ${shown.map((message) => markup`<li>${message}</li>`)}
    </ul>
    ${messages.length > shown.length && markup`<p class="quiet">and ${messages.length - shown.length} more; CSV and JSON list all.</p>`}
  </details>`;
}
