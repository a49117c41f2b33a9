/**
 * `tsx scripts/requirements.ts` writes docs/requirements.md: each requirement, the test files that name it, its state.
 * A test names a row in its title (`it("S3-16: …")`); a skipped test proves nothing and is not counted.
 */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import type { RequirementRow } from "./requirement-rows";
import { documents, rows } from "./requirement-rows";

/** A test's title (or what one is made of), and the file it is in. */
export interface TestTitle {
  /** Relative to the repository, with `/`. */
  readonly file: string;
  readonly title: string;
}

const root = path.resolve(__dirname, "..");
const document = path.join(root, "docs", "requirements.md");

/**
 * The texts of a test file that titles are made of: literals, and the tables that titles are computed from. Comments are
 * not among them, nor is anything inside a skipped test.
 */
export function titlesIn(file: string, text: string): TestTitle[] {
  const titles: TestTitle[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isSkipped(node.expression)) return;
    if (ts.isStringLiteralLike(node)) titles.push({ file, title: node.text });
    if (ts.isTemplateExpression(node)) titles.push({ file, title: literalText(node) });
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
  return titles;
}

/** `it.skip(…)`, `describe.skip(…)`. */
function isSkipped(callee: ts.Expression): boolean {
  return ts.isPropertyAccessExpression(callee) && callee.name.text === "skip";
}

function literalText(node: ts.TemplateExpression): string {
  return node.head.text + node.templateSpans.map(({ literal }) => literal.text).join("");
}

/** Rows that a title names: `S3-16`. A range (`S4-01 to S4-07`) names its two ends only, which `rangesIn` finds. */
export function rowsIn(title: string): string[] {
  return [...title.matchAll(/\bS[0-4]-\d{2}\b/g)].map(([id]) => id);
}

/** Ranges, which read as if every row in between were proven. */
export function rangesIn(title: string): string[] {
  return [...title.matchAll(/\bS[0-4]-\d{2}\s*(?:to|–|-|\.\.)\s*S[0-4]-\d{2}\b/g)].map(([range]) => range);
}

/** Titles of every test of the repository, and the tables in files beside them. */
export function repositoryTitles(): TestTitle[] {
  return (
    readdirSync(path.join(root, "tests"), { recursive: true, encoding: "utf8" })
      // the generator's own tests speak of rows without proving any
      .filter((name) => name.endsWith(".ts") && !name.startsWith("docs"))
      .map((name) => path.posix.join("tests", ...name.split(path.sep)))
      .sort()
      .flatMap((file) => titlesIn(file, readFileSync(path.join(root, file), "utf8")))
  );
}

/** Files that name each row, sorted. */
export function filesByRow(titles: readonly TestTitle[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>();
  for (const { file, title } of titles) {
    for (const id of rowsIn(title)) found.set(id, (found.get(id) ?? new Set()).add(file));
  }
  return new Map([...found].map(([id, files]) => [id, [...files].sort()]));
}

/** What does not fit together: rows that are done without a test, tests of unknown rows, ranges. Empty when all is well. */
export function contradictions(all: readonly RequirementRow[], titles: readonly TestTitle[]): string[] {
  const files = filesByRow(titles);
  const known = new Set(all.map(({ id }) => id));
  return [
    ...all
      .filter(({ id, missing }) => missing === undefined && !files.has(id))
      .map(({ id }) => `${id} counts as done and no test names it`),
    ...[...files]
      .filter(([id]) => !known.has(id))
      .map(([id, names]) => `${id} is no row; named in ${names.join(", ")}`),
    ...titles.flatMap(({ file, title }) =>
      rangesIn(title).map((range) => `${file} names the range "${range}": name every row`),
    ),
  ];
}

/** The document. */
export function requirementsDocument(all: readonly RequirementRow[], titles: readonly TestTitle[]): string {
  const files = filesByRow(titles);
  const state = ({ id, missing }: RequirementRow): string => {
    if (missing === undefined) return "done";
    return `${files.has(id) ? "partly" : "not done"}; missing: ${missing}`;
  };
  const done = all.filter(({ missing }) => missing === undefined).length;
  const tables = documents.map(({ id, title }) => {
    const own = all.filter((each) => each.id.startsWith(`${id}-`));
    const lines = own.map((each) => {
      const tests = (files.get(each.id) ?? []).map((file) => `[${file.slice("tests/".length)}](../${file})`);
      return `| ${each.id} | ${each.text} | ${tests.join("<br>")} | ${state(each)} |`;
    });
    return [
      `## ${id}: ${title}`,
      "",
      "| row | what is asked for | tests | state |",
      "|---|---|---|---|",
      ...lines,
    ].join("\n");
  });
  const intro = `# Requirements

Generated by \`scripts/requirements.ts\`; do not edit. Each row is one thing that the users' documents ask for. A test that
proves a row names it in its title: \`npm run test:unit -- --grep S3-16\` runs them; suites in files that end in
\`.engine.test.ts\` need the real engine (\`npm run test:engine -- --grep S3-16\`).

${done} of ${all.length} rows are done.`;
  return `${[intro, ...tables].join("\n\n")}\n`;
}

/** Whether the document in the repository is what would be written now. */
export function writtenDocument(): string {
  return readFileSync(document, "utf8");
}

if (require.main === module) {
  const titles = repositoryTitles();
  writeFileSync(document, requirementsDocument(rows, titles));
  const problems = contradictions(rows, titles);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
