import type { ReportInputFile, ReportModel } from "../model";
import { markup, type Markup } from "./markup";
import { table } from "./tables";
import { count } from "./words";

/** So many files stand in the page without being unfolded. */
const shownInputs = 12;

/** What the report was made of, what of it was not understood, and how it was made. */
export function inputsSection({ inputs, problems, versions, format }: ReportModel): Markup {
  const rows = inputs.map(
    ({ role, name, sha256 }: ReportInputFile) =>
      markup`<tr>
        <td>${role}</td>
        <td>${name}</td>
        <td><code class="hash">${sha256}</code></td>
      </tr>`,
  );
  const all = table("Inputs and their checksums", ["Role", "Input", "SHA-256"], rows);
  return markup`<section id="inputs">
    <h2>Inputs and versions</h2>
    <dl>
      <dt>cluster-security</dt>
      <dd>${versions.tool}</dd>
      <dt>Enforcer</dt>
      <dd>${versions.enforcer}</dd>
      <dt>Form of the data</dt>
      <dd>${format}</dd>
    </dl>
    ${
      rows.length <= shownInputs
        ? all
        : markup`<details class="group">
            <summary><strong>${count(rows.length, "input")}</strong> <span class="quiet">with checksums</span></summary>
            ${all}
          </details>`
    }
    <h3>Not understood</h3>
    ${
      problems.length === 0
        ? markup`<p class="empty">Everything that was read could be understood.</p>`
        : markup`<ul>
              ${problems.slice(0, 200).map((problem) => markup`<li>${problem}</li>`)}
            </ul>
            ${problems.length > 200 && markup`<p class="quiet">and ${problems.length - 200} more; JSON lists all.</p>`}`
    }
    <h3>How this was found</h3>
    <p>
      Computed from the policies: who can reach whom if the enforcer does what the policies say. That does not show that
      the enforcer runs, nor that the business needs a flow; what was observed stands apart. Checksums are those of the
      files' bytes; of a cluster, of standard input and of rendered charts those of the objects as they were read.
    </p>
  </section>`;
}
