import type { ControlEvidence, Evidence } from "../../evidence/types";
import type { ReportModel } from "../model";
import { markup, type Markup } from "./markup";
import { table } from "./tables";
import { ageText, dateText, evidenceBadge } from "./words";

/** After so many days what was observed says little (PCI DSS 11.4.6: segmentation is tested every six months). */
const staleDays = 183;

/** Every control with its three kinds of evidence apart. */
export function controlsSection({ controls, at }: ReportModel): Markup {
  const frameworks = [...new Set(controls.map(({ control }) => control.framework))];
  return markup`<section id="controls">
    <h2>Controls</h2>
    <p>
      Three kinds of evidence, which never stand for each other. <em>Declared</em>: what the declaration states.
      <em>Computed</em>: what the policies come to, if the enforcer does what they say. <em>Observed</em>: what packets
      or recorded flows showed, and how old that is. A rule that finds nothing answers its own question; it does not
      show that a control as a whole is met, nor that the business needs a flow.
    </p>
    ${
      controls.length === 0
        ? markup`<p class="empty">No rule was asked.</p>`
        : table(
            "Controls and their evidence",
            ["Control", "Declared", "Computed", "Observed"],
            markup`${frameworks.map((framework) => group(framework, controls, at))}`,
            { className: "controls" },
          )
    }
  </section>`;
}

function group(framework: string, controls: readonly ControlEvidence[], at: string): Markup {
  const rows = controls.filter(({ control }) => control.framework === framework);
  return markup`<tbody>
    <tr class="framework">
      <th scope="rowgroup" colspan="4">${framework}</th>
    </tr>
    ${rows.map(
      ({ control, declared, computed, observed }) =>
        markup`<tr>
          <th scope="row"><span class="id">${control.id}</span> ${control.title}</th>
          <td>${cell(declared, at)}</td>
          <td>${cell(computed, at)}</td>
          <td>${cell(observed, at)}</td>
        </tr>`,
    )}
  </tbody>`;
}

function cell(evidence: Evidence, at: string): Markup {
  const { state, text } = evidence;
  if (state === "absent") return markup`<span class="quiet">– ${text}</span>`;
  const seen = evidence.at;
  const isStale = seen !== undefined && Date.parse(at) - Date.parse(seen) > staleDays * 86_400_000;
  return markup`${evidenceBadge(state)}
  ${text}${
    seen !== undefined &&
    markup` <time class="age${isStale ? " stale" : ""}" datetime="${seen}" title="${dateText(seen)}"
      >${ageText(seen, at)}${isStale ? ": too old to rely on" : ""}</time
    >`
  }`;
}
