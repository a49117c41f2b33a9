/** Prints how the code is built, in numbers, and fails where one of them is over its limit. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const root = path.join(__dirname, "..");
const product = ["sdk", "policypack"];
const longFunction = 60;
const longRun = 12;

interface Measure {
  readonly name: string;
  readonly value: number;
  /** The most that is allowed; none: only printed. */
  readonly limit?: number;
  /** Where, for what counts. */
  readonly places?: readonly string[];
}

function run(command: string, args: readonly string[]): { stdout: string; stderr: string } {
  const file = path.join(root, "node_modules", ".bin", command);
  const { stdout, stderr, error } = spawnSync(file, args, { cwd: root, encoding: "utf8", maxBuffer: 1 << 28 });
  if (error) throw error;
  return { stdout, stderr };
}

/** TypeScript files that git tracks or would track, below folders. */
function sources(folders: readonly string[]): readonly string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...folders.map((one) => `${one}/*.ts`)];
  const { stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return stdout.split("\n").filter((file) => file !== "" && !/(^|\/)(bin|node_modules)\//.test(file));
}

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(path.join(root, file), "utf8"), ts.ScriptTarget.Latest, true);
}

/** Lines that hold code: no comment, no import, not blank; each with its number, white space folded. */
function codeLines(source: ts.SourceFile): readonly { readonly line: number; readonly text: string }[] {
  const isCode = new Set<number>();
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) return;
    if (node.getChildCount(source) === 0) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
      const last = source.getLineAndCharacterOfPosition(node.getEnd()).line;
      if (node.getWidth(source) > 0) for (let line = first; line <= last; line += 1) isCode.add(line);
    } else node.getChildren(source).forEach((child) => ts.isJSDoc(child) || visit(child));
  };
  visit(source);
  return source.text
    .split("\n")
    .flatMap((text, line) => (isCode.has(line) ? [{ line: line + 1, text: text.trim().replace(/\s+/g, " ") }] : []));
}

/** Runs of lines that stand in two places, each named once, by its longest extent. */
function duplicates(files: readonly ts.SourceFile[]): readonly string[] {
  const all = files.flatMap((file) =>
    codeLines(file)
      .filter(({ text }) => /\w/.test(text))
      .map((line) => ({ ...line, file: file.fileName })),
  );
  const seen = new Map<string, number>();
  const found: string[] = [];
  let reported = -1;
  for (let index = 0; index + longRun <= all.length; index += 1) {
    const window = all.slice(index, index + longRun);
    if (window[0]?.file !== window.at(-1)?.file) continue;
    const key = window.map(({ text }) => text).join("\n");
    const before = seen.get(key);
    if (before === undefined) seen.set(key, index);
    else if (index > reported) {
      const other = all[before];
      found.push(`${window[0]?.file}:${window[0]?.line} = ${other?.file}:${other?.line}`);
      reported = index + longRun - 1;
    }
  }
  return found;
}

function longFunctions(files: readonly ts.SourceFile[]): readonly string[] {
  const found: string[] = [];
  for (const file of files) {
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
        const line = (position: number): number => file.getLineAndCharacterOfPosition(position).line;
        const length = line(node.getEnd()) - line(node.getStart(file)) + 1;
        const { name } = node;
        if (length > longFunction) {
          found.push(`${file.fileName}:${line(node.getStart(file)) + 1} ${name?.getText(file) ?? ""} ${length}`);
        }
      }
      node.forEachChild(visit);
    };
    visit(file);
  }
  return found;
}

/** Violations of the rules between rooms, by rule. */
function arrows(): readonly { readonly rule: string; readonly place: string }[] {
  const args = ["--config", ".dependency-cruiser.cjs", "--output-type", "json"];
  const { stdout } = run("depcruise", [...args, ...product, "lab", "examples", "plugin.ts"]);
  const { summary } = JSON.parse(stdout) as {
    summary: { violations: readonly { from: string; to: string; rule: { name: string } }[] };
  };
  return summary.violations.map(({ from, to, rule }) => ({ rule: rule.name, place: `${from} → ${to}` }));
}

/** What nothing imports, by knip. */
function unused(): readonly string[] {
  const { stdout } = run("knip", ["--no-progress", "--reporter", "compact"]);
  return stdout.split("\n").filter((line) => /\S+\.ts\b/.test(line));
}

function measures(): readonly Measure[] {
  const violations = arrows();
  const places = (isOf: (rule: string) => boolean): readonly string[] =>
    violations.filter(({ rule }) => isOf(rule)).map(({ place }) => place);
  const list = (name: string, limit: number, found: readonly string[]): Measure => ({
    name,
    value: found.length,
    limit,
    places: found,
  });
  const files = sources(product).map(parse);
  const lab = sources(["lab"]).map(parse);
  const lines = (parsed: readonly ts.SourceFile[]): number =>
    parsed.reduce((sum, file) => sum + codeLines(file).length, 0);
  return [
    list(
      "cycles, types included",
      0,
      places((rule) => rule === "no-cycles"),
    ),
    list(
      "imports against the direction of the folders",
      0,
      places((rule) => rule !== "no-cycles"),
    ),
    list(`duplicates of ${longRun} lines or more`, 0, duplicates(files)),
    list("unused exports and files", 0, unused()),
    list(`functions over ${longFunction} lines`, 0, longFunctions([...files, ...lab])),
    { name: "lines of product code (sdk, policypack)", value: lines(files) },
    { name: "lines of the lab's code (lab)", value: lines(lab) },
  ];
}

let failed = false;
for (const { name, value, limit, places = [] } of measures()) {
  const isOver = limit !== undefined && value > limit;
  failed ||= isOver;
  console.log(`${String(value).padStart(6)}  ${name}${limit === undefined ? "" : ` (at most ${limit})`}`);
  if (isOver || limit !== 0) for (const place of places) console.log(`        ${place}`);
}
process.exitCode = failed ? 1 : 0;
