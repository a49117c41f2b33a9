import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";

const repository = path.resolve(__dirname, "..", "..");
const examples = path.join(repository, "examples", "languages");

/** The program of the example, by the language of a block of code. */
const programs: Readonly<Record<string, string>> = {
  typescript: "typescript/index.ts",
  yaml: "yaml/Pulumi.yaml",
  python: "python/__main__.py",
  go: "go/main.go",
  java: "java/src/main/java/bookshop/App.java",
};

/** Blocks of code of a document between a heading and the next of the same level or above. */
function blocks(document: string, heading: string): { readonly language: string; readonly code: string }[] {
  const text = readFileSync(path.join(repository, document), "utf8");
  const begin = text.indexOf(`\n${heading}\n`);
  assert.ok(begin >= 0, `${document} has no ${heading}`);
  const level = /^#+/.exec(heading)?.[0].length ?? 0;
  const rest = text.slice(begin + heading.length + 1);
  const end = rest.search(new RegExp(`\\n#{1,${level}} `));
  const section = end < 0 ? rest : rest.slice(0, end);
  return [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = "", code = ""]) => ({ language, code }));
}

/** Whether a text has these lines one after the other, all of them further to the right by the same. */
function hasLines(text: string, code: string): boolean {
  const margins = [
    "",
    ...[2, 4, 6, 8, 12, 16].map((width) => " ".repeat(width)),
    ...[1, 2, 3, 4].map((tabs) => "\t".repeat(tabs)),
  ];
  return margins.some((margin) => text.includes(code.replace(/^(?=.)/gm, margin)));
}

describe("programs in the documents", () => {
  it("a flow is shown in each language, as the example has it", () => {
    const shown = blocks("docs/components.md", "## In other languages");
    assert.deepEqual(
      shown.map(({ language }) => language),
      Object.keys(programs),
    );
    for (const { language, code } of shown) {
      const program = programs[language] ?? "";
      assert.ok(hasLines(readFileSync(path.join(examples, program), "utf8"), code), `${program} has no\n${code}`);
    }
  });

  it("the README's program in YAML is the example's", () => {
    const [shown] = blocks("README.md", "### In other languages");
    const program = readFileSync(path.join(examples, "yaml/Pulumi.yaml"), "utf8");
    // where the package is, and what the snippet leaves out, differ
    const missing = (shown?.code ?? "nothing")
      .split("\n")
      .filter((line) => !line.includes("path:") && !program.includes(line));
    assert.deepEqual(missing, []);
  });

  it("finds what differs from the example", () => {
    assert.ok(hasLines("a:\n  - b\n  - c\n", "- b\n- c\n"));
    assert.ok(!hasLines("a:\n  - b\n  - c\n", "- b\n- d\n"));
  });
});
