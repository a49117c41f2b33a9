/** Programs in other languages as their users have them: a folder with a Pulumi.yaml, run by the language's own host. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import type { Stack } from "@pulumi/pulumi/automation";
import { LocalWorkspace, PulumiCommand } from "@pulumi/pulumi/automation";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import { GetSchemaRequest } from "@pulumi/pulumi/proto/provider_pb";
import type { Lab } from "../../lab/index";
import { withoutQueries } from "../support/engine-stack";
import { repository } from "./shared-lab";

/** The package's components in a process that serves more than one operation of the engine. */
export interface AttachedPlugin {
  /** Has the engine use the process. */
  readonly env: Readonly<Record<string, string>>;
  stop(): void;
}

/** Starts the plugin of the checkout as the engine does. Reading its sources takes it longer than a small update. */
export async function attachPlugin(): Promise<AttachedPlugin> {
  const runner = require.resolve("@pulumi/pulumi/cmd/run-plugin");
  const child = spawn(process.execPath, [runner, repository], {
    cwd: repository,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const port = await firstLine(child);
  // reads its sources now, and not in the first test
  const client = new ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 100_000_000,
  });
  await new Promise<void>((resolve, reject) =>
    client.getSchema(new GetSchemaRequest(), (error) => (error === null ? resolve() : reject(error))),
  );
  client.close();
  return {
    env: { PULUMI_DEBUG_PROVIDERS: `pulumi-cluster-security:${port}` },
    stop: () => void child.kill("SIGKILL"),
  };
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.setEncoding("utf8").on("data", (more: string) => {
      text += more;
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")).trim());
    });
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`the plugin ended with exit code ${code}`)));
  });
}

/** A program in a folder of its own. */
export class LanguageProgram {
  readonly folder: string;
  private readonly original: string;

  /**
   * @param file The program's text, relative to the folder of the example.
   * @param env What the program runs with.
   */
  constructor(
    readonly language: string,
    private readonly file: string,
    private readonly env: Readonly<Record<string, string>> = {},
  ) {
    this.folder = mkdtempSync(path.join(tmpdir(), `cluster-security-${language}-`));
    cpSync(path.join(repository, "examples", "languages", language), this.folder, { recursive: true });
    this.rewrite("Pulumi.yaml", "path: ../../..", `path: ${repository}`);
    this.original = readFileSync(path.join(this.folder, file), "utf8");
  }

  /** Has later operations run the program with something else in it. Throws where the text has none of what is replaced. */
  becomes(...replacements: readonly (readonly [string, string])[]): void {
    writeFileSync(path.join(this.folder, this.file), this.original);
    for (const [what, by] of replacements) this.rewrite(this.file, what, by);
  }

  /** Replaces a part of a file for good. */
  rewrite(file: string, what: string, by: string): void {
    const place = path.join(this.folder, file);
    const text = readFileSync(place, "utf8");
    if (!text.includes(what)) throw new Error(`${this.language}: ${file} has no ${what}`);
    writeFileSync(
      place,
      text.replace(what, () => by),
    );
  }

  /** The stack of this folder. */
  async open(lab: Lab, stackName: string, env: Readonly<Record<string, string>> = {}): Promise<Stack> {
    const pulumiCommand = await PulumiCommand.get({ root: lab.engine.root });
    const envVars = { ...lab.engine.env, ...this.env, ...env };
    return withoutQueries(
      await LocalWorkspace.createOrSelectStack({ stackName, workDir: this.folder }, { envVars, pulumiCommand }),
    );
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
