import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

const file = path.resolve(__dirname, "illegal-declarations.ts");
const root = path.resolve(__dirname, "..", "..");
const marker = /^\s*\/\/ @ts-expect-error .*$/;

/** Lines (from 0) with an error when the file has `text`. */
function errorLines(text: string): number[] {
  const settings = ts.readConfigFile(path.join(root, "tsconfig.json"), (name) => readFileSync(name, "utf8"));
  const { options } = ts.parseJsonConfigFileContent({ ...settings.config, include: [], files: [file] }, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const readSource = host.getSourceFile.bind(host);
  host.getSourceFile = (name, version, ...rest) =>
    path.resolve(name) === file ? ts.createSourceFile(name, text, version) : readSource(name, version, ...rest);
  const program = ts.createProgram({ rootNames: [file], options: { ...options, noEmit: true }, host });
  const source = program.getSourceFile(file) ?? assert.fail("the file is not part of the program");
  const errors = program.getSemanticDiagnostics(source);
  return [...new Set(errors.map(({ start }) => source.getLineAndCharacterOfPosition(start ?? 0).line))];
}

describe("the types of declarations", function () {
  this.timeout(120_000);

  it("refuse every illegal declaration, each where it stands", () => {
    const lines = readFileSync(file, "utf8").split("\n");
    const marked = lines.flatMap((line, index) => (marker.test(line) ? [index] : []));
    assert.ok(marked.length > 25);
    const bare = lines.map((line) => (marker.test(line) ? "" : line)).join("\n");
    assert.deepEqual(
      errorLines(bare),
      marked.map((index) => index + 1),
    );
  });
});
