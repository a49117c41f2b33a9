import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import checksums from "../../lab/crds/checksums.json";
import { crdFolder, crdSets, pinnedVersion, readCrds } from "../../lab/crds/index";
import type { CrdSetName } from "../../lab/crds/index";
import { fetchPublishedFiles, publishedAt } from "../../lab/crds/published-files";
import { silentProgress, ToolchainError } from "../../lab/toolchain/index";
import { temporaryFolder, writeProgram } from "./support/folders";

const known = checksums as Readonly<Record<string, Readonly<Record<string, string>>>>;

describe("lab definitions: catalog", () => {
  for (const name of Object.keys(crdSets) as CrdSetName[]) {
    it(`${name}: every path has pinned files, and a place where they are published`, () => {
      const { module, paths } = crdSets[name];
      const version = pinnedVersion(module);
      const files = Object.keys(known[`${module}@v${version}`] ?? {});
      for (const part of paths)
        assert.ok(
          files.some((file) => file === part || file.startsWith(`${part}/`)),
          part,
        );
      assert.match(publishedAt(module, version) ?? "", new RegExp(`/v${version.replaceAll(".", "\\.")}$`));
    });
  }
});

describe("lab definitions: fetching", () => {
  const root = temporaryFolder();
  const contents: Record<string, string> = { "a/one.yaml": "one: 1\n", "a/two.yaml": "two: 2\n" };
  const sums = Object.fromEntries(
    Object.entries(contents).map(([file, text]) => [file, createHash("sha256").update(text).digest("hex")]),
  );
  let served: Record<string, string> = {};
  const server = createServer((request, response) => {
    const content = served[(request.url ?? "").slice(1)];
    response.writeHead(content === undefined ? 404 : 200).end(content);
  });
  let base: string;
  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());

  it("takes each file that is what its checksum says", async () => {
    served = contents;
    const folder = path.join(root, "good");
    assert.equal(await fetchPublishedFiles(base, sums, folder, 2000), true);
    assert.equal(readFileSync(path.join(folder, "a/two.yaml"), "utf8"), "two: 2\n");
  });

  it("refuses all of them where one was changed", async () => {
    served = { ...contents, "a/two.yaml": "two: 3\n" };
    await assert.rejects(
      fetchPublishedFiles(base, sums, path.join(root, "bad"), 2000),
      (error) => error instanceof ToolchainError && error.code === "checksum-mismatch",
    );
  });

  it("says that it is not there where one is missing or nobody answers", async () => {
    served = { "a/one.yaml": "one: 1\n" };
    assert.equal(await fetchPublishedFiles(base, sums, path.join(root, "less"), 2000), false);
    assert.equal(await fetchPublishedFiles("http://127.0.0.1:9", sums, path.join(root, "none"), 2000), false);
  });

  it("without publisher and without Go the message names both ways", async () => {
    const env = { PATH: path.join(root, "empty"), CLUSTER_SECURITY_CACHE: path.join(root, "cache") };
    await assert.rejects(
      crdFolder("cilium", { env, progress: silentProgress, mirror: () => "http://127.0.0.1:9" }),
      (error) =>
        error instanceof ToolchainError && error.code === "no-way" && /Go 1\.26.*127\.0\.0\.1/.test(error.message),
    );
  });

  it("a Go module whose files are not the known ones is refused too", async () => {
    const bin = path.join(root, "bin");
    const source = path.join(root, "module");
    const { paths } = crdSets["cluster-network-policy"];
    for (const file of paths) {
      mkdirSync(path.dirname(path.join(source, file)), { recursive: true });
      writeFileSync(path.join(source, file), "kind: CustomResourceDefinition\n");
    }
    writeProgram(bin, "go", `echo '{"Dir":"${source}"}'`);
    const env = { PATH: bin, CLUSTER_SECURITY_CACHE: path.join(root, "cache") };
    await assert.rejects(
      crdFolder("cluster-network-policy", { env, progress: silentProgress, mirror: () => "http://127.0.0.1:9" }),
      (error) => error instanceof ToolchainError && error.code === "checksum-mismatch",
    );
  });
});

describe("lab definitions: reading", () => {
  const root = temporaryFolder();

  it("takes definitions out of folders and lists of documents, without what belongs to a chart", () => {
    const definition = (name: string, labels: string): string =>
      [
        "apiVersion: apiextensions.k8s.io/v1",
        "kind: CustomResourceDefinition",
        `metadata: {name: ${name}, labels: {x: '${labels}'}, annotations: {keep: me, drop: '{{ .Release }}'}}`,
        "spec: {group: example.test, names: {plural: things}, versions: []}",
      ].join("\n");
    mkdirSync(path.join(root, "deep"));
    writeFileSync(
      path.join(root, "a.yaml"),
      `${definition("b.example.test", "{{ name }}")}\n---\n---\nkind: ConfigMap\n`,
    );
    writeFileSync(path.join(root, "deep", "c.yml"), definition("c.example.test", "y"));
    writeFileSync(path.join(root, "notes.txt"), "kind: CustomResourceDefinition");
    const found = readCrds(root);
    assert.deepEqual(
      found.map(({ metadata }) => metadata.name),
      ["b.example.test", "c.example.test"],
    );
    for (const { metadata } of found) {
      assert.equal("labels" in metadata, false);
      assert.equal(metadata.annotations.keep, "me");
      assert.equal("drop" in metadata.annotations, false);
    }
  });
});
