import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { loadAll } from "js-yaml";
import type { ApiAccess, ApiClient } from "../control-plane/index";
import { apiClient } from "../control-plane/index";
import type { CrdSetName } from "./catalog";
import type { ManifestOptions } from "./manifests";
import { crdFolder } from "./manifests";

export type { CrdSetName } from "./catalog";
export { crdSets } from "./catalog";
export { calicoOperatorChart, istioCharts } from "./charts";
export {
  calicoDefinitions,
  ciliumBpfSources,
  ciliumChart,
  crdFolder,
  fluxDefinitions,
  pinnedVersion,
} from "./manifests";
export type { ManifestOptions } from "./manifests";

/** A CustomResourceDefinition, as far as installing it needs to know it. */
export interface Crd {
  readonly apiVersion: string;
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string };
    readonly versions: readonly { readonly name: string; readonly served: boolean }[];
  };
}

/** As a project publishes it. */
type RawCrd = Omit<Crd, "metadata"> & {
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
};

const digestName = "lab.pulumi-cluster-security/sha256";

/** Milliseconds that one definition may take to be served. */
const establishedWithin = 300_000;

/**
 * Installs the definitions of the sets and waits until the API server serves them. Doing it again changes nothing.
 * @returns names of the definitions
 * @throws ToolchainError where a set cannot be had, Error with the API server's own words where it refuses one
 */
export async function installCrds(
  access: ApiAccess,
  sets: readonly CrdSetName[],
  options: ManifestOptions = {},
): Promise<string[]> {
  const folders: string[] = [];
  for (const set of sets) folders.push(await crdFolder(set, options));
  return await installCrdFiles(access, folders);
}

/** Installs every CustomResourceDefinition found in YAML files, or in the YAML files below folders. */
export async function installCrdFiles(access: ApiAccess, files: readonly string[]): Promise<string[]> {
  const definitions = files.flatMap(readCrds);
  const client = apiClient(access);
  try {
    const present = await digestsOnServer(client);
    await Promise.all(
      definitions
        .filter((definition) => present.get(definition.metadata.name) !== definition.metadata.annotations[digestName])
        .map((definition) => install(client, definition)),
    );
  } finally {
    client.close();
  }
  return definitions.map((definition) => definition.metadata.name).sort();
}

/** The definitions in a YAML file or below a folder; other documents are passed over. */
export function readCrds(file: string): Crd[] {
  if (statSync(file).isDirectory()) {
    return readdirSync(file, { recursive: true, encoding: "utf8" })
      .filter((entry) => /\.ya?ml$/.test(entry))
      .sort()
      .flatMap((entry) => readCrds(path.join(file, entry)));
  }
  return (loadAll(readFileSync(file, "utf8")) as (Partial<RawCrd> | null)[])
    .filter((object): object is RawCrd => object?.kind === "CustomResourceDefinition")
    .map(prepared);
}

/**
 * Labels are dropped, and annotations that are Helm templates: some projects keep their definitions as chart sources.
 * A digest is added, by which a later call sees that nothing has changed.
 */
function prepared({ apiVersion, kind, metadata, spec }: RawCrd): Crd {
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([, value]) => !value.includes("{{"));
  const digest = createHash("sha256").update(JSON.stringify(spec)).digest("hex");
  return {
    apiVersion,
    kind,
    metadata: { name: metadata.name, annotations: { ...Object.fromEntries(annotations), [digestName]: digest } },
    spec,
  };
}

/** Digest of each definition that the lab has installed and that is served, by name. */
async function digestsOnServer(client: ApiClient): Promise<Map<string, string>> {
  const { body } = await client.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
  const items = (body as { items?: (RawCrd & Conditioned)[] }).items ?? [];
  const digests = items
    .filter(isEstablished)
    .map((item): [string, string] => [item.metadata.name, item.metadata.annotations?.[digestName] ?? ""]);
  return new Map(digests);
}

async function install(client: ApiClient, definition: Crd): Promise<void> {
  const { name } = definition.metadata;
  const url = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`;
  const query = "fieldManager=pulumi-cluster-security-lab&force=true";
  const applied = await client.call("PATCH", `${url}?${query}`, definition, "application/apply-patch+yaml");
  if (applied.status >= 300) throw new Error(`CustomResourceDefinition ${name} is refused: ${reason(applied.body)}`);
  const deadline = Date.now() + establishedWithin;
  while (!(await isServed(client, url, definition))) {
    if (Date.now() > deadline) throw new Error(`CustomResourceDefinition ${name} was not established in time`);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
}

/** Established is the API server's promise; the list call is the proof. */
async function isServed(client: ApiClient, url: string, definition: Crd): Promise<boolean> {
  const { body } = await client.call("GET", url);
  if (!isEstablished(body as Conditioned)) return false;
  const { group, names, versions } = definition.spec;
  const served = versions.filter((version) => version.served);
  const answers = await Promise.all(
    served.map((version) => client.call("GET", `/apis/${group}/${version.name}/${names.plural}?limit=1`)),
  );
  return answers.every(({ status }) => status === 200);
}

interface Conditioned {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

function isEstablished(object: Conditioned): boolean {
  return (object.status?.conditions ?? []).some(({ type, status }) => type === "Established" && status === "True");
}

function reason(body: unknown): string {
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message : JSON.stringify(body);
}
