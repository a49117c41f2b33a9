/** `kubernetes:helm.sh/v3:Release`: Helm itself installs, upgrades, rolls back and uninstalls; here are its inputs and outputs. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { diffInputs, isBelow, parsePath } from "./diff";
import {
  ciliumChartFolder,
  HelmError,
  runHelm,
  type ChartSource,
  type HelmAnswer,
  type HelmRelease,
  type HelmRequest,
} from "./helm";
import {
  PartialFailure,
  type CheckRequest,
  type CheckResult,
  type CreateRequest,
  type CreateResult,
  type DeleteRequest,
  type DiffRequest,
  type DiffResult,
  type EngineLog,
  type ReadRequest,
  type ReadResult,
  type UpdateRequest,
} from "./messages";
import { autoname, fieldManagerFor } from "./naming";
import { nameOfUrn, parseId } from "./objects";
import {
  assetSignature,
  hasSecret,
  hasUnknown,
  isMap,
  isPlainMap,
  markSecrets,
  redact,
  Secret,
  secretTexts,
  unwrap,
  unwrapMap,
  type Plain,
  type PlainMap,
  type Property,
  type PropertyMap,
} from "./properties";
import type { KubernetesProvider } from "./provider";
import { decodeManifests } from "./yaml";

/** Seconds for which an awaited operation may last when nothing else is said. */
const defaultTimeout = 300;

/** Inputs that are found out in Check, not written by the program. */
const computed = ["checksum", "resourceNames"] as const;

export class ReleaseProvider {
  constructor(
    private readonly provider: KubernetesProvider,
    private readonly log: EngineLog,
  ) {}

  // --- Check

  async check(request: CheckRequest): Promise<CheckResult> {
    let inputs = this.withDefaults(request);
    if (hasUnknown(inputs)) return { inputs, failures: [] };
    const secrets = secretTexts(inputs);
    try {
      inputs = await withFileValues(inputs);
    } catch (error) {
      return { inputs, failures: [{ property: "valueYamlFiles", reason: redact((error as Error).message, secrets) }] };
    }
    const chart = chartOf(unwrapMap(inputs));
    try {
      const plain = unwrapMap(inputs);
      const { manifest = "", release } = await this.runWithChart({
        ...requestOf(plain),
        operation: "template",
        kubeVersion: await this.kubeVersion(),
      });
      const checksum = createHash("sha256").update(manifest).digest("hex");
      return { inputs: { ...inputs, checksum, resourceNames: release?.resourceNames ?? {} }, failures: [] };
    } catch (error) {
      if (!(error instanceof HelmError)) throw error;
      const reason = redact(error.code === "chart" ? cannotBeHad(chart, error) : error.message, secrets);
      return { inputs, failures: [{ property: "chart", reason }] };
    }
  }

  private withDefaults(request: CheckRequest): PropertyMap {
    const inputs: PropertyMap = { ...request.news };
    for (const name of computed) delete inputs[name];
    delete inputs["compat"];
    const old = unwrapMap(request.olds);
    if (isEmpty(inputs["name"])) {
      const resourceName = nameOfUrn(request.urn);
      const proposed = request.autonaming?.mode === "disable" ? undefined : request.autonaming?.proposedName;
      inputs["name"] = isEmpty(old["name"])
        ? proposed || autoname(resourceName, request.randomSeed)
        : (old["name"] as string);
    }
    if (isEmpty(inputs["namespace"])) inputs["namespace"] = this.provider.connected.defaultNamespace;
    if (inputs["skipAwait"] !== true) inputs["timeout"] ??= defaultTimeout;
    return inputs;
  }

  private async kubeVersion(): Promise<string | undefined> {
    if ((await this.provider.connected.unreachable()) !== undefined) return undefined;
    const { body } = await this.provider.connected.cluster.request("GET", "/version");
    return isMap(body) && typeof body["gitVersion"] === "string" ? body["gitVersion"] : undefined;
  }

  /** Runs Helm; Cilium's own chart comes from its released module where the repository cannot give it. */
  private async runWithChart(request: HelmRequest): Promise<HelmAnswer> {
    const signal = this.provider.signal;
    try {
      return await runHelm(request, signal);
    } catch (error) {
      const chart = request.chart;
      if (!(error instanceof HelmError) || error.code !== "chart" || !chart || !isCilium(chart)) throw error;
      let folder: string;
      try {
        folder = await ciliumChartFolder(chart.version);
      } catch (cause) {
        throw new HelmError("chart", `${error.message}; nor from the released module: ${(cause as Error).message}`);
      }
      const { repo: _, verify: __, version: ___, ...local } = chart;
      return runHelm({ ...request, chart: { ...local, name: folder } }, signal);
    }
  }

  // --- Diff

  diff(request: DiffRequest): DiffResult {
    const state = readRelease(request.olds);
    const old = unwrapMap(Object.keys(request.oldInputs).length > 0 ? request.oldInputs : state.inputs);
    const ignored = request.ignoreChanges.map(parsePath);
    let changes = diffInputs(old, unwrapMap(request.news));
    // a release that failed, or was rolled back or changed by hand, is brought to what the program says
    if (state.status !== undefined && state.status !== "deployed") {
      changes.push({ path: ["status", "status"], kind: "update", byInputs: false });
    }
    changes = changes.filter((change) => !ignored.some((path) => isBelow(change.path, path)));
    const identity = changes.map((change) => ["name", "namespace"].includes(String(change.path[0])));
    return {
      changes: changes.map((change, index) => ({ ...change, replace: identity[index] === true })),
      deleteBeforeReplace: false,
    };
  }

  // --- Create, Update, Delete

  async create(request: CreateRequest): Promise<CreateResult> {
    const { inputs, urn } = request;
    if (request.preview) return { id: "", outputs: inputs };
    const plain = unwrapMap(inputs);
    const id = `${String(plain["namespace"])}/${String(plain["name"])}`;
    const outputs = await this.operate("install", urn, inputs, request.timeout, id);
    return { id, outputs };
  }

  async update(request: UpdateRequest): Promise<PropertyMap> {
    if (request.preview) return request.news;
    return this.operate("upgrade", request.urn, request.news, request.timeout, request.id);
  }

  private async operate(
    operation: "install" | "upgrade",
    urn: string,
    inputs: PropertyMap,
    timeout: number,
    id: string,
  ): Promise<PropertyMap> {
    const secrets = secretTexts(inputs);
    try {
      const request = await this.clusterRequest(inputs, urn, timeout);
      if (request.nodeless && request.options?.["skipAwait"] !== true) this.provider.sayNodeless(`Helm release ${id}`);
      const answer = await this.runWithChart({ ...request, operation });
      return writeRelease(inputs, answer.release);
    } catch (error) {
      if (!(error instanceof HelmError)) throw new Error(redact((error as Error).message, secrets));
      const plain = unwrapMap(inputs);
      const message = error.code === "chart" ? cannotBeHad(chartOf(plain), error) : error.message;
      const reason = redact(`Helm release "${id}": ${message}`, secrets);
      // An upgrade that was rolled back left the release as it was before, and so is its state left. A failed release
      // that Helm leaves behind is kept in the state with what was wanted, for the next update to mend.
      if (!error.release || (operation === "upgrade" && error.release.status === "deployed")) throw new Error(reason);
      throw new PartialFailure(id, writeRelease(inputs, error.release), inputs, [reason]);
    }
  }

  /** Parts of a request that concern the cluster; throws where it cannot be reached. */
  private async clusterRequest(
    inputs: PropertyMap,
    urn: string,
    timeout: number,
  ): Promise<Omit<HelmRequest, "operation">> {
    const unreachable = await this.provider.connected.unreachable();
    if (unreachable !== undefined) throw new Error(`configured Kubernetes cluster is unreachable: ${unreachable}`);
    const plain = unwrapMap(inputs);
    const request = requestOf(timeout > 0 ? { ...plain, timeout } : plain);
    return {
      ...request,
      nodeless: !(await this.provider.hasReadyNode()),
      kubeconfig: this.provider.connected.kubeconfigText(),
      owner: fieldManagerFor(urn),
    };
  }

  async delete(request: DeleteRequest): Promise<void> {
    const state = readRelease(request.outputs);
    const inputs = Object.keys(request.oldInputs).length > 0 ? request.oldInputs : state.inputs;
    const { namespace, name } = parseId(request.id);
    const secrets = secretTexts(inputs);
    try {
      const cluster = await this.clusterRequest({ ...inputs, namespace, name }, request.urn, request.timeout);
      await runHelm({ ...cluster, operation: "uninstall" }, this.provider.signal);
    } catch (error) {
      if (
        this.provider.connected.configuration.deleteUnreachable &&
        (await this.provider.connected.unreachable()) !== undefined
      ) {
        this.log.log("warning", redact((error as Error).message, secrets), request.urn);
        return;
      }
      throw new Error(redact((error as Error).message, secrets));
    }
  }

  // --- Read

  async read(request: ReadRequest): Promise<ReadResult> {
    const state = readRelease(request.outputs);
    const { namespace, name } = parseId(request.id);
    if (name === "") throw new Error(`the id of a Helm release is namespace/name, not ${request.id}`);
    const known = Object.keys(request.inputs).length > 0;
    const inputs = known ? request.inputs : state.inputs;
    let live: HelmRelease | undefined;
    try {
      const cluster = await this.clusterRequest({ ...inputs, namespace, name }, request.urn, 0);
      live = (await runHelm({ ...cluster, operation: "status" }, this.provider.signal)).release;
    } catch (error) {
      if (error instanceof HelmError && error.code === "notFound") return { id: "", outputs: {}, inputs: {} };
      throw new Error(redact((error as Error).message, secretTexts(inputs)));
    }
    if (!live) return { id: "", outputs: {}, inputs: {} };
    const seen = known ? observedRelease(inputs, live) : importedRelease(live);
    return { id: request.id, outputs: writeRelease(seen, live), inputs: seen };
  }

  // --- the `helm:template` function

  /** Renders a chart for `helm.v3.Chart`; the options are those of the SDK's call. */
  async template(options: PlainMap): Promise<string> {
    const text = (name: string): string | undefined => (typeof options[name] === "string" ? options[name] : undefined);
    const fetch = isPlainMap(options["fetch_opts"]) ? options["fetch_opts"] : {};
    const repo = text("repo");
    const chart =
      text("path") ?? (repo && !/^https?:/.test(repo) ? `${repo}/${text("chart") ?? ""}` : (text("chart") ?? ""));
    const plain: PlainMap = {
      name: text("release_name") ?? "release",
      namespace: text("namespace") ?? this.provider.connected.defaultNamespace,
      chart,
      ...(text("version") === undefined ? {} : { version: text("version") as string }),
      values: options["values"] ?? {},
      skipCrds: options["skip_crd_rendering"] === true,
      repositoryOpts: { ...fetch, ...(repo && /^https?:/.test(repo) ? { repo } : {}) },
    };
    const request = requestOf(plain);
    try {
      return (
        (
          await this.runWithChart({
            ...request,
            operation: "template",
            kubeVersion: text("kube_version") ?? (await this.kubeVersion()),
          })
        ).manifest ?? ""
      );
    } catch (error) {
      if (error instanceof HelmError && error.code === "chart") throw new Error(cannotBeHad(chartOf(plain), error));
      throw error;
    }
  }
}

function isEmpty(value: Property | Plain | undefined): boolean {
  return value === undefined || value === null || value === "";
}

function isCilium(chart: ChartSource): boolean {
  // a folder or file that does not exist is the user's mistake, not a repository that is out of reach
  if (chart.name === "cilium") return chart.repo === undefined || /cilium/.test(chart.repo);
  return /^oci:\/\/.*\/cilium$/.test(chart.name) || chart.name === "cilium/cilium";
}

/** One sentence that says which chart, from where, and why not. */
function cannotBeHad(chart: ChartSource, error: Error): string {
  const version = chart.version ? ` ${chart.version}` : "";
  const place = chart.repo ? ` of ${chart.repo}` : "";
  const cause = error.message.replace(/\s+/g, " ").replace(/\.$/, "");
  return `the chart ${JSON.stringify(chart.name)}${version}${place} cannot be had: ${cause}`;
}

function chartOf(inputs: PlainMap): ChartSource {
  const repository = isPlainMap(inputs["repositoryOpts"]) ? inputs["repositoryOpts"] : {};
  const text = (map: PlainMap, name: string): string | undefined => {
    const value = map[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  return {
    name: text(inputs, "chart") ?? "",
    version: text(inputs, "version"),
    devel: inputs["devel"] === true,
    repo: text(repository, "repo"),
    username: text(repository, "username"),
    password: text(repository, "password"),
    caFile: text(repository, "caFile"),
    certFile: text(repository, "certFile"),
    keyFile: text(repository, "keyFile"),
    verify: inputs["verify"] === true,
    keyring: text(inputs, "keyring"),
    dependencyUpdate: inputs["dependencyUpdate"] === true,
  };
}

const notOptions = new Set([
  "chart",
  "name",
  "namespace",
  "repositoryOpts",
  "values",
  "valueYamlFiles",
  "version",
  "checksum",
  "resourceNames",
  "status",
]);

function requestOf(inputs: PlainMap): Omit<HelmRequest, "operation"> & { chart: ChartSource } {
  const options = Object.fromEntries(Object.entries(inputs).filter(([key]) => !notOptions.has(key)));
  return {
    name: String(inputs["name"] ?? ""),
    namespace: String(inputs["namespace"] ?? ""),
    chart: chartOf(inputs),
    values: isPlainMap(inputs["values"]) ? inputs["values"] : {},
    options,
  };
}

/** The program's values over those of its files, later files over earlier ones; what is secret stays so. */
async function withFileValues(inputs: PropertyMap): Promise<PropertyMap> {
  const { valueYamlFiles, ...rest } = inputs;
  if (valueYamlFiles === undefined) return inputs;
  const files = unwrap(valueYamlFiles);
  let merged: PropertyMap = {};
  for (const file of Array.isArray(files) ? files : []) {
    merged = mergeValues(merged, (await readValues(file)) as PropertyMap);
  }
  const own = rest["values"];
  const values = own instanceof Secret ? own.value : own;
  const all = mergeValues(merged, isMap(values) ? (values as PropertyMap) : {});
  return { ...rest, values: own instanceof Secret || hasSecret(valueYamlFiles) ? new Secret(all) : all };
}

async function readValues(asset: Plain): Promise<PlainMap> {
  if (!isPlainMap(asset) || asset["4dabf18193072939515e22adb298388d"] !== assetSignature) {
    throw new Error("valueYamlFiles takes file, text and remote assets");
  }
  const documents = decodeManifests(await assetText(asset));
  return documents[0] ?? {};
}

async function assetText(asset: PlainMap): Promise<string> {
  if (typeof asset["text"] === "string" && asset["text"] !== "") return asset["text"];
  if (typeof asset["path"] === "string" && asset["path"] !== "") {
    if (!existsSync(asset["path"])) throw new Error(`the file ${asset["path"]} does not exist`);
    return readFile(asset["path"], "utf8");
  }
  if (typeof asset["uri"] === "string" && asset["uri"] !== "") {
    const answer = await fetch(asset["uri"]);
    if (!answer.ok) throw new Error(`${asset["uri"]}: status ${answer.status}`);
    return answer.text();
  }
  return "";
}

/** As Helm merges values: maps key by key, anything else as a whole. */
export function mergeValues(base: PropertyMap, over: PropertyMap): PropertyMap {
  const merged: PropertyMap = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const known = merged[key];
    merged[key] = isMap(known) && isMap(value) ? mergeValues(known as PropertyMap, value as PropertyMap) : value;
  }
  return merged;
}

interface ReleaseState {
  inputs: PropertyMap;
  status: string | undefined;
}

function readRelease(outputs: PropertyMap): ReleaseState {
  const held = outputs["__inputs"];
  const inputs = held instanceof Secret ? held.value : held;
  const status = unwrap(outputs["status"] ?? null);
  return {
    inputs: isMap(inputs) ? (inputs as PropertyMap) : {},
    status: isPlainMap(status) && typeof status["status"] === "string" ? status["status"] : undefined,
  };
}

/** Outputs: the inputs, and what Helm's record says about the release. */
function writeRelease(inputs: PropertyMap, live: HelmRelease | undefined): PropertyMap {
  const described: PropertyMap = live
    ? {
        version: live.version,
        resourceNames: live.resourceNames,
        status: {
          appVersion: live.appVersion,
          chart: live.chart,
          name: live.name,
          namespace: live.namespace,
          revision: live.revision,
          status: live.status,
          version: live.version,
        },
      }
    : {};
  const { valueYamlFiles: _, ...rest } = inputs;
  return { ...rest, ...described, __inputs: hasSecret(inputs) ? new Secret(inputs) : inputs };
}

/** The inputs as the cluster's record has them: values and chart version that somebody changed with Helm itself. */
function observedRelease(inputs: PropertyMap, live: HelmRelease): PropertyMap {
  const values = live.values ?? {};
  const known = inputs["values"] === undefined ? {} : unwrap(inputs["values"]);
  const same = JSON.stringify(sorted(known)) === JSON.stringify(sorted(values));
  const seen: PropertyMap = same
    ? { ...inputs }
    : { ...inputs, values: markSecrets(values as Property, inputs["values"]) };
  if (inputs["version"] !== undefined && !isRange(unwrap(inputs["version"]))) seen["version"] = live.version;
  return seen;
}

/** `^1.2`, `>=1`, `1.x`: a version that does not name one release. */
function isRange(version: Plain): boolean {
  return typeof version !== "string" || !/^v?\d+\.\d+\.\d+/.test(version);
}

function sorted(value: Plain): Plain {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isPlainMap(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key] as Plain)]),
  );
}

function importedRelease(live: HelmRelease): PropertyMap {
  return {
    name: live.name,
    namespace: live.namespace,
    chart: live.chart,
    version: live.version,
    values: (live.values ?? {}) as PropertyMap,
    timeout: defaultTimeout,
  };
}
