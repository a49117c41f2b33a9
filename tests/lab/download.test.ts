import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { ToolchainOptions } from "../../lab/toolchain/index";
import { provideTools, silentProgress, ToolchainError } from "../../lab/toolchain/index";
import { thisPlatform, toolSpec } from "../../lab/toolchain/catalog";
import { checksumIn, download } from "../../lab/toolchain/download";
import { fakeGo, programOfVersion, temporaryFolder } from "./support/folders";

/** A publisher on this machine: answers as each test says, and remembers what was asked. */
class Publisher {
  readonly asked: { url: string; range: string | undefined }[] = [];
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => {
    response.writeHead(404).end();
  };
  base = "";
  private readonly server = createServer((request, response) => {
    this.asked.push({ url: request.url ?? "", range: request.headers.range });
    this.answer(request, response);
  });

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.base = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Serves files by name, with ranges. */
  serve(files: Readonly<Record<string, Buffer | string>>): void {
    this.answer = (request, response) => {
      const content = files[path.basename(request.url ?? "")];
      if (content === undefined) return void response.writeHead(404).end();
      const bytes = Buffer.from(content);
      const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
      if (from === undefined) return void response.writeHead(200, { "content-length": bytes.length }).end(bytes);
      if (Number(from) >= bytes.length) return void response.writeHead(416).end();
      response.writeHead(206, { "content-length": bytes.length - Number(from) }).end(bytes.subarray(Number(from)));
    };
  }
}

/** The version that the lab pins. */
const version = toolSpec("pulumi").version(path.resolve(__dirname, "..", "..", "lab"));

const sha256 = (content: Buffer | string): string => createHash("sha256").update(content).digest("hex");

describe("toolchain: downloads", () => {
  const publisher = new Publisher();
  const root = temporaryFolder();
  const platform = thisPlatform();
  let count = 0;
  let folder: string;
  before(async function () {
    if (platform?.os !== "linux") this.skip();
    await publisher.start();
  });
  after(() => publisher.stop());
  beforeEach(() => {
    publisher.asked.length = 0;
    folder = path.join(root, String((count += 1)));
    mkdirSync(folder);
  });

  function options(extra: Partial<ToolchainOptions> = {}): ToolchainOptions {
    const searchPath = path.join(folder, "path");
    mkdirSync(searchPath, { recursive: true });
    return {
      env: { PATH: searchPath, CLUSTER_SECURITY_CACHE: path.join(folder, "cache"), HOME: folder },
      progress: silentProgress,
      mirror: (release) => ({
        ...release,
        url: `${publisher.base}/${path.basename(release.url)}`,
        checksumUrl: `${publisher.base}/${path.basename(release.checksumUrl)}`,
      }),
      ...extra,
    };
  }

  /** What the publisher of Pulumi offers: the program, its language host and a policy pack runner in one archive. */
  function pulumiRelease(): { name: string; bytes: Buffer } {
    const inside = path.join(folder, "release", "pulumi");
    programOfVersion(inside, "pulumi", `v${version}`);
    programOfVersion(inside, "pulumi-language-nodejs", version);
    const name = path.basename(
      toolSpec("pulumi").release(version, platform ?? { os: "linux", arch: "amd64" })?.url ?? "",
    );
    execFileSync("tar", ["-czf", path.join(folder, name), "-C", path.join(folder, "release"), "pulumi"]);
    return { name, bytes: readFileSync(path.join(folder, name)) };
  }

  it("a release is fetched, checked, unpacked with what lies beside the program, and kept", async () => {
    fakeGo(path.join(folder, "path"), path.join(folder, "go-calls"));
    const { name, bytes } = pulumiRelease();
    publisher.serve({
      [name]: bytes,
      [`pulumi-${version}-checksums.txt`]: `${"0".repeat(64)}  other\n${sha256(bytes)}  ${name}\n`,
    });
    const first = await provideTools(["pulumi"], options());
    assert.equal(first.pulumi.origin, "download");
    assert.ok(existsSync(path.join(path.dirname(first.pulumi.path), "pulumi-language-nodejs")));
    assert.equal(existsSync(path.join(folder, "go-calls")), false, "nothing is built where a release can be had");
    publisher.asked.length = 0;
    assert.equal((await provideTools(["pulumi"], options())).pulumi.origin, "cache");
    assert.deepEqual(publisher.asked, []);
  });

  it("a release that is not what its publisher's checksum says is refused, not kept, and nothing else is tried", async () => {
    fakeGo(path.join(folder, "path"), path.join(folder, "go-calls"));
    const { name, bytes } = pulumiRelease();
    const changed = Buffer.from(bytes);
    changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
    publisher.serve({ [name]: changed, [`pulumi-${version}-checksums.txt`]: `${sha256(bytes)}  ${name}\n` });
    await assert.rejects(
      provideTools(["pulumi"], options()),
      (error) => error instanceof ToolchainError && error.code === "checksum-mismatch" && error.exitCode !== 0,
    );
    assert.equal(existsSync(path.join(folder, "go-calls")), false);
    assert.equal(existsSync(path.join(folder, "cache", "tools", "pulumi", version)), false);
    assert.equal(existsSync(path.join(folder, "cache", "tools", "pulumi", `${version}.part`)), false);
  });

  it("a page that some gateway answers instead of a checksum is no publisher: it is built", async () => {
    fakeGo(path.join(folder, "path"), path.join(folder, "go-calls"));
    publisher.answer = (_request, response) => void response.writeHead(200).end("<html>Please log in</html>");
    assert.equal((await provideTools(["pulumi"], options())).pulumi.origin, "built");
  });

  it("a publisher that accepts the connection and says nothing does not hold the start up", async () => {
    fakeGo(path.join(folder, "path"), path.join(folder, "go-calls"));
    publisher.answer = () => undefined;
    const tools = await provideTools(["pulumi"], options({ answerWithin: 100 }));
    assert.equal(tools.pulumi.origin, "built");
  });

  it("an API server of KUBEBUILDER_ASSETS gets the controller manager of its own version", async () => {
    fakeGo(path.join(folder, "path"), path.join(folder, "go-calls"));
    const assets = path.join(folder, "assets");
    programOfVersion(assets, "kube-apiserver", "Kubernetes v1.34.1");
    const manager = "#!/bin/sh\necho Kubernetes v1.34.1\n";
    publisher.serve({ "kube-controller-manager": manager, "kube-controller-manager.sha256": `${sha256(manager)}\n` });
    const settings = options();
    const tools = await provideTools(["kube-apiserver", "kube-controller-manager"], {
      ...settings,
      env: { ...settings.env, KUBEBUILDER_ASSETS: assets },
    });
    assert.equal(tools["kube-controller-manager"]?.origin, "download");
    assert.equal(tools["kube-controller-manager"]?.version, "1.34.1");
    assert.equal(existsSync(path.join(folder, "go-calls")), false);
  });

  it("an interrupted download is continued where it was", async () => {
    const content = Buffer.from("0123456789".repeat(1000));
    const file = path.join(folder, "file");
    writeFileSync(file, content.subarray(0, 4321));
    publisher.serve({ tool: content });
    const release = { url: `${publisher.base}/tool`, checksumUrl: "" };
    await download(release, sha256(content), file);
    assert.deepEqual(publisher.asked, [{ url: "/tool", range: "bytes=4321-" }]);
    assert.deepEqual(readFileSync(file), content);
    // all of it was there already: the server says so, the checksum decides
    await download(release, sha256(content), file);
    assert.deepEqual(readFileSync(file), content);
  });

  it("a publisher that knows no ranges sends all of it again", async () => {
    const content = Buffer.from("0123456789".repeat(1000));
    const file = path.join(folder, "file");
    writeFileSync(file, "something else");
    publisher.answer = (_request, response) => void response.writeHead(200).end(content);
    await download({ url: `${publisher.base}/tool`, checksumUrl: "" }, sha256(content), file);
    assert.deepEqual(readFileSync(file), content);
  });

  it("a connection that breaks or stalls fails, and keeps the part for the next time", async () => {
    const content = Buffer.from("0123456789".repeat(1000));
    const file = path.join(folder, "file");
    publisher.answer = (_request, response) => {
      response.writeHead(200, { "content-length": content.length });
      response.write(content.subarray(0, 100));
    };
    const release = { url: `${publisher.base}/tool`, checksumUrl: "" };
    await assert.rejects(download(release, sha256(content), file, { stalledAfter: 200 }), /sent nothing for 200 ms/);
    assert.deepEqual(readFileSync(file), content.subarray(0, 100));
    publisher.serve({ tool: content });
    await download(release, sha256(content), file);
    assert.deepEqual(readFileSync(file), content);
  });

  it("checksum files: lists, lists in binary mode, one bare hash; names must match exactly", () => {
    const sum = sha256("x");
    assert.equal(checksumIn(`${sum}  tool.tar.gz\n`, "tool.tar.gz"), sum);
    assert.equal(checksumIn(`${sum} *tool.tar.gz\n`, "tool.tar.gz"), sum);
    assert.equal(checksumIn(`${sum.toUpperCase()}\n`, undefined), sum);
    assert.equal(checksumIn(`${sum}  tool.tar.gz.sbom\n`, "tool.tar.gz"), undefined);
    assert.equal(checksumIn("404 not found\n", undefined), undefined);
  });
});
