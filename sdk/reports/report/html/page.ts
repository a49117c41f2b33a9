import { createHash } from "node:crypto";
import type { Draw } from "../graph/draw";
import type { ReportModel } from "../model";
import { controlsSection } from "./controls";
import { exceptionsSection, flowsSection, tenantsSection } from "./declared";
import { findingsSection } from "./findings";
import { markup, raw, type Markup } from "./markup";
import { matrixSection } from "./matrix";
import { picturesSection } from "./pictures";
import { comparisonSection, head, postureSection } from "./posture";
import { script } from "./script";
import { inputsSection } from "./sources";
import { style } from "./style";
import { dateText } from "./words";

/**
 * The report as one page that loads nothing: its policy (Content Security Policy) lets the browser run this style and this
 * script, by their checksums, and fetch nothing at all.
 */
export function htmlReport(model: ReportModel, draw: Draw): string {
  const policy = [
    "default-src 'none'",
    `style-src '${checksum(style)}'`,
    `script-src '${checksum(script)}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const sections: [id: string, title: string, section: Markup][] = [
    ["posture", "Posture", postureSection(model)],
    ["changes", "Changes", comparisonSection(model)],
    ["findings", "Findings", findingsSection(model)],
    ["controls", "Controls", controlsSection(model)],
    ["flows", "Flows", flowsSection(model)],
    ["exceptions", "Exceptions", exceptionsSection(model)],
    ["tenants", "Tenants", tenantsSection(model)],
    ["graph", "Graph", picturesSection(model, draw)],
    ["matrix", "Matrix", matrixSection(model)],
    ["inputs", "Inputs", inputsSection(model)],
  ];
  const shown = sections.filter(([, , { text }]) => text !== "");
  return markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${raw(policy)}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="referrer" content="no-referrer">
        <link rel="icon" href="data:,">
        <title>${model.title}: ${model.subject}</title>
        <style>${raw(style)}</style>
      </head>
      <body>
        <a class="skip" href="#main">To the content</a>
        ${head(model)}
        <nav aria-label="Sections">
          <ul>
            ${shown.map(([id, title]) => markup`<li><a href="#${id}">${title}</a></li>`)}
          </ul>
        </nav>
        <main id="main">${shown.map(([, , section]) => section)}</main>
        <footer>
          Made by cluster-security ${model.versions.tool}, ${dateText(model.at)}. This file loads nothing.
        </footer>
        <script>${raw(script)}</script>
      </body>
    </html>
`.text;
}

function checksum(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
