/** A repository for Flux: its commits are archives on loopback, and a GitRepository says which one is the newest. */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { ApiClient } from "../control-plane/index";
import { apply } from "../nodes/index";
import { run } from "../toolchain/run";
import { sourceApi } from "./definitions";

/** A file of a commit, by its path in the repository. */
export interface CommittedFile {
  readonly file: string;
  readonly text: string;
}

/** A GitRepository, in the place of source-controller, which would fetch it from a Git server. */
export class FluxSource {
  #commits = 0;

  private constructor(
    private readonly client: ApiClient,
    private readonly server: Server,
    private readonly folder: string,
    /** `flux-system/k8s-ops`: which GitRepository it is. */
    private readonly place: { readonly namespace: string; readonly name: string },
  ) {}

  /** Starts to serve on a free port of 127.0.0.1. Nothing is committed yet. */
  static async open(client: ApiClient, folder: string, place: FluxSource["place"]): Promise<FluxSource> {
    mkdirSync(folder, { recursive: true });
    const server = createServer((request, response) => {
      const name = path.basename(request.url ?? "");
      if (!/^\d+\.tar\.gz$/.test(name)) return void response.writeHead(404).end();
      response.end(readFileSync(path.join(folder, name)));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    // it lives no longer than what else there is to do
    server.unref();
    return new FluxSource(client, server, folder, place);
  }

  /**
   * Commits files in the place of all earlier ones: the GitRepository's status tells Flux of the archive with them.
   * @returns the revision
   */
  async commit(files: readonly CommittedFile[]): Promise<string> {
    this.#commits += 1;
    const archive = await this.archived(files, `${this.#commits}.tar.gz`);
    const sha1 = createHash("sha1").update(`${this.#commits}`).update(archive).digest("hex");
    const revision = `main@sha1:${sha1}`;
    const { port } = this.server.address() as AddressInfo;
    const now = `${new Date().toISOString().slice(0, 19)}Z`;
    const { namespace, name } = this.place;
    const about = {
      apiVersion: `${sourceApi.group}/${sourceApi.version}`,
      kind: "GitRepository",
      metadata: { namespace, name },
    };
    const at = `/apis/${about.apiVersion}/namespaces/${namespace}/gitrepositories/${name}`;
    await apply(this.client, at, { ...about, spec: { interval: "1h", url: "https://git.example.com/k8s-ops.git" } });
    await apply(this.client, `${at}/status`, {
      ...about,
      status: {
        artifact: {
          path: `${this.#commits}.tar.gz`,
          url: `http://127.0.0.1:${port}/${this.#commits}.tar.gz`,
          revision,
          digest: `sha256:${createHash("sha256").update(archive).digest("hex")}`,
          lastUpdateTime: now,
        },
        conditions: [
          { type: "Ready", status: "True", reason: "Succeeded", message: revision, lastTransitionTime: now },
        ],
      },
    });
    return revision;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async archived(files: readonly CommittedFile[], name: string): Promise<Buffer> {
    const tree = path.join(this.folder, "tree");
    rmSync(tree, { recursive: true, force: true });
    for (const { file, text } of files) {
      mkdirSync(path.dirname(path.join(tree, file)), { recursive: true });
      writeFileSync(path.join(tree, file), text);
    }
    const target = path.join(this.folder, name);
    const { code, stderr } = await run("tar", ["-czf", target, "-C", tree, "."]);
    if (code !== 0) throw new Error(`tar could not pack the commit: ${stderr.trim()}`);
    return readFileSync(target);
  }
}
