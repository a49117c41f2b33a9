import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { calicoSupport, ciliumSupport, istioSupport } from "../../sdk/charts/index";

const document = readFileSync(path.join(__dirname, "..", "..", "docs", "cni-and-mesh.md"), "utf8");

describe("docs/cni-and-mesh.md", () => {
  const row = (title: string): string[] => {
    const line = document.split("\n").find((text) => text.startsWith(`| ${title} `)) ?? assert.fail(title);
    return line
      .split("|")
      .slice(2, 5)
      .map((cell) => cell.trim());
  };
  const supports = [ciliumSupport, calicoSupport, istioSupport];
  const minor = (version: string): string => version.split(".").slice(0, 2).join(".");

  it("names the versions that the code installs, refuses and warns about", () => {
    assert.deepEqual(
      row("default version"),
      supports.map(({ recommended }) => recommended),
    );
    assert.deepEqual(
      row("refused below"),
      supports.map(({ oldest }) => minor(oldest)),
    );
    assert.deepEqual(
      row("warned below"),
      supports.map(({ oldestMaintained }) => minor(oldestMaintained)),
    );
  });
});
