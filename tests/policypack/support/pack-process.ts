/**
 * Starts a policy pack the way the Pulumi engine does (`@pulumi/pulumi/cmd/run-policy-pack`) and speaks the analyzer
 * protocol with it.
 */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { AnalyzerClient } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import * as proto from "@pulumi/pulumi/proto/analyzer_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct, type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";

export const repoRoot = path.resolve(__dirname, "..", "..", "..");
export const packFolder = path.join(repoRoot, "policypack");

/** A resource as the engine sends it. */
export interface WireResource {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly props: Record<string, unknown>;
  readonly parent?: string;
}

export interface WireDiagnostic {
  readonly policy: string;
  readonly level: "advisory" | "mandatory" | "disabled" | "remediate";
  readonly severity: number;
  readonly message: string;
  readonly urn: string;
}

/** A property that is a secret, as the engine marks it (pulumi/pulumi sdk/go/common/resource/sig). */
export function secret(value: unknown): Record<string, unknown> {
  return { "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value };
}

/** A running pack. Stop it in `after`. */
export class PackProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #client: AnalyzerClient;
  /** Everything the process wrote, for messages of failed tests. */
  output = "";

  private constructor(child: ChildProcessWithoutNullStreams, port: number, output: string) {
    this.#child = child;
    this.output = output;
    const limits = { "grpc.max_receive_message_length": 400 * 1024 * 1024 };
    this.#client = new AnalyzerClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), limits);
    const keep = (chunk: Buffer): void => {
      this.output += chunk.toString("utf8");
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
  }

  /** Starts the pack in a folder; resolves once it has printed its port. */
  static start(folder: string, options: { readonly preview: boolean }): Promise<PackProcess> {
    const runner = require.resolve("@pulumi/pulumi/cmd/run-policy-pack");
    const env = {
      ...process.env,
      PULUMI_NODEJS_DRY_RUN: String(options.preview),
      PULUMI_DRY_RUN: String(options.preview),
    };
    const child = spawn(process.execPath, [runner, "127.0.0.1:0", "."], { cwd: folder, env });
    return new Promise((resolve, reject) => {
      let output = "";
      child.stdout.on("data", (chunk: Buffer) => {
        output += chunk.toString("utf8");
        const port = /^(\d+)$/m.exec(output)?.[1];
        if (port === undefined) return;
        child.stdout.removeAllListeners("data");
        child.stderr.removeAllListeners("data");
        resolve(new PackProcess(child, Number(port), output));
      });
      child.stderr.on("data", (chunk: Buffer) => {
        output += chunk.toString("utf8");
      });
      child.on("error", reject);
      child.on("exit", (code) => reject(new Error(`the pack ended with code ${code} before it served: ${output}`)));
    });
  }

  stop(): Promise<void> {
    this.#client.close();
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) return resolve();
      this.#child.removeAllListeners("exit");
      this.#child.once("exit", () => resolve());
      this.#child.kill();
    });
  }

  /** What the process has computed so far, in seconds; undefined where the system does not say (anything but Linux). */
  get cpuSeconds(): number | undefined {
    const stat = `/proc/${this.#child.pid ?? 0}/stat`;
    if (!existsSync(stat)) return undefined;
    // the name in parentheses may hold spaces; then come the 3rd to 13th field, utime and stime in hundredths (proc_pid_stat(5))
    const [, fields = ""] = /\) (.*)$/s.exec(readFileSync(stat, "utf8")) ?? [];
    const [user, system] = fields.split(" ").slice(11, 13).map(Number);
    return user === undefined || system === undefined ? undefined : (user + system) / 100;
  }

  async info(): Promise<proto.AnalyzerInfo.AsObject> {
    const info = await call<proto.AnalyzerInfo>((done) => this.#client.getAnalyzerInfo(new Empty(), done));
    return info.toObject();
  }

  async configure(config: Record<string, { level?: (typeof levels)[number]; properties?: object }>) {
    const request = new proto.ConfigureAnalyzerRequest();
    for (const [name, value] of Object.entries(config)) {
      const item = new proto.PolicyConfig();
      item.setEnforcementlevel(levels.indexOf(value.level ?? "mandatory") as proto.EnforcementLevel);
      item.setProperties(struct((value.properties ?? {}) as Record<string, unknown>));
      request.getPolicyconfigMap().set(name, item);
    }
    await call<Empty>((done) => this.#client.configure(request, done));
  }

  async analyze(resource: WireResource): Promise<WireDiagnostic[]> {
    const request = new proto.AnalyzeRequest();
    request.setType(resource.type);
    request.setName(resource.name);
    request.setUrn(resource.urn);
    request.setProperties(struct(resource.props));
    request.setOptions(options(resource));
    return diagnostics(await call<proto.AnalyzeResponse>((done) => this.#client.analyze(request, done)));
  }

  /** What remediations make of a resource; undefined where they change nothing. */
  async remediate(resource: WireResource): Promise<Record<string, unknown> | undefined> {
    const request = new proto.AnalyzeRequest();
    request.setType(resource.type);
    request.setName(resource.name);
    request.setUrn(resource.urn);
    request.setProperties(struct(resource.props));
    request.setOptions(options(resource));
    const response = await call<proto.RemediateResponse>((done) => this.#client.remediate(request, done));
    return response.getRemediationsList()[0]?.getProperties()?.toJavaScript();
  }

  async analyzeStack(resources: readonly WireResource[]): Promise<WireDiagnostic[]> {
    const request = new proto.AnalyzeStackRequest();
    request.setResourcesList(
      resources.map((resource) => {
        const item = new proto.AnalyzerResource();
        item.setType(resource.type);
        item.setName(resource.name);
        item.setUrn(resource.urn);
        item.setProperties(struct(resource.props));
        item.setOptions(options(resource));
        item.setParent(resource.parent ?? "");
        return item;
      }),
    );
    return diagnostics(await call<proto.AnalyzeResponse>((done) => this.#client.analyzeStack(request, done)));
  }
}

const levels = ["advisory", "mandatory", "disabled", "remediate"] as const;

function struct(props: Record<string, unknown>): Struct {
  return Struct.fromJavaScript(props as Record<string, JavaScriptValue>);
}

function options(resource: WireResource): proto.AnalyzerResourceOptions {
  const result = new proto.AnalyzerResourceOptions();
  result.setParent(resource.parent ?? "");
  return result;
}

function diagnostics(response: proto.AnalyzeResponse): WireDiagnostic[] {
  return response.getDiagnosticsList().map((item) => ({
    policy: item.getPolicyname(),
    level: levels[item.getEnforcementlevel()] ?? "disabled",
    severity: item.getSeverity(),
    message: item.getMessage(),
    urn: item.getUrn(),
  }));
}

function call<T>(start: (done: (error: grpc.ServiceError | null, value: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error === null ? resolve(value) : reject(error)));
  });
}
