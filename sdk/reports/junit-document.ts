/** What came of a test. A note is the output of a test that passed. */
export interface JunitOutcome {
  readonly kind: "failure" | "error" | "skipped" | "note";
  /** How bad it is, in a word; not of notes. */
  readonly type?: string;
  /** One sentence; a note has none. */
  readonly message?: string;
  /** The whole text. */
  readonly text?: string;
}

/** One test of a suite. Without an outcome it passed, and there is nothing to tell. */
export interface JunitCase {
  readonly group: string;
  readonly name: string;
  readonly outcome?: JunitOutcome;
}

/** Tests under a common name. */
export interface JunitSuite {
  readonly name: string;
  readonly cases: readonly JunitCase[];
}

/**
 * JUnit XML with nothing in it that the schema of Jenkins' xUnit plugin (junit-10.xsd), the strictest in use, does not know:
 * files and lines of a test stand in its text.
 */
export function junitDocument(suites: readonly JunitSuite[], name?: string): string {
  const all = countsOf(suites.flatMap(({ cases }) => cases));
  const title = name === undefined ? "" : ` name="${attribute(name)}"`;
  const head = `tests="${all.tests}" failures="${all.failures}" errors="${all.errors}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${title} ${head}>\n${suites.map(suiteXml).join("")}</testsuites>\n`;
}

function countsOf(cases: readonly JunitCase[]): Readonly<Record<"tests" | "failures" | "errors" | "skipped", number>> {
  const count = (kind: JunitOutcome["kind"]): number => cases.filter(({ outcome }) => outcome?.kind === kind).length;
  return { tests: cases.length, failures: count("failure"), errors: count("error"), skipped: count("skipped") };
}

function suiteXml({ name, cases }: JunitSuite): string {
  const { tests, failures, errors, skipped } = countsOf(cases);
  const counts = `tests="${tests}" failures="${failures}" errors="${errors}" skipped="${skipped}"`;
  return `  <testsuite name="${attribute(name)}" ${counts}>\n${cases.map(caseXml).join("")}  </testsuite>\n`;
}

function caseXml({ group, name, outcome }: JunitCase): string {
  const head = `    <testcase classname="${attribute(group)}" name="${attribute(name)}"`;
  return outcome === undefined ? `${head}/>\n` : `${head}>${outcomeXml(outcome)}</testcase>\n`;
}

function outcomeXml({ kind, type, message, text: body }: JunitOutcome): string {
  if (kind === "note") return `<system-out>${text(body ?? "")}</system-out>`;
  const attributes = [
    type === undefined ? "" : ` type="${attribute(type)}"`,
    message === undefined ? "" : ` message="${attribute(message)}"`,
  ].join("");
  return body === undefined ? `<${kind}${attributes}/>` : `<${kind}${attributes}>${text(body)}</${kind}>`;
}

/** XML 1.0 has no way to write most control characters, nor half of a surrogate pair. */
function text(value: string): string {
  return value
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      "\ufffd",
    )
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;");
}

function attribute(value: string): string {
  return text(value)
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;")
    .replaceAll("\r", "&#13;")
    .replaceAll("\t", "&#9;");
}
