import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

const repository = path.resolve(__dirname, "..", "..");
const read = (file: string): unknown => JSON.parse(readFileSync(path.join(repository, file), "utf8"));

describe("the package's own name", () => {
  it("means the sources of the same entry points in a clone as the published files do", () => {
    const { name, exports } = read("package.json") as {
      name: string;
      exports: Record<string, { default: string } | string>;
    };
    const { paths } = (read("tsconfig.json") as { compilerOptions: { paths: Record<string, string[]> } })
      .compilerOptions;
    const published = Object.entries(exports).flatMap(([entry, target]) =>
      typeof target === "string" ? [] : [[path.posix.join(name, entry), target.default] as const],
    );
    const expected = published.map(([entry, file]) => [entry, [file.replace("./bin/", "./").replace(/\.js$/, ".ts")]]);
    assert.deepEqual(paths, Object.fromEntries(expected));
    for (const [file = ""] of Object.values(paths)) assert.ok(existsSync(path.join(repository, file)), file);
  });
});
