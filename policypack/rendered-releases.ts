import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import path from "node:path";
import type { KubeObject } from "../sdk/reachability";
import { isClusterwide, readYaml } from "../sdk/reachability";
import { holdsUnknown } from "../sdk/reachability/model/unknown";
import type { HelmRelease } from "./kubernetes-objects";

/** What `helm template` makes of a release, or why it was not asked or failed. */
export type Rendered = { readonly objects: readonly KubeObject[] } | { readonly because: string };

/** Milliseconds that one chart may take. */
const patience = 60_000;
/** Characters that one may come to. */
const mostOutput = 64 * 1024 * 1024;

const cache = new Map<string, Rendered>();

/**
 * Renders the chart of a release with its values, where that says what the release will create: chart, version and values
 * are known, and no credentials are needed. Runs no shell; values go through standard input, since they may hold secrets,
 * and Helm's own messages, which may quote them, are not shown. Each release is rendered once.
 */
export function renderRelease(name: string, release: HelmRelease): Rendered {
  const because = whyNot(release);
  if (because !== undefined) return { because };
  const key = createHash("sha256")
    .update(JSON.stringify([name, release]))
    .digest("hex");
  const known = cache.get(key) ?? run(name, release);
  cache.set(key, known);
  return known;
}

function whyNot({ chart, version, namespace, values, repository, hasCredentials, hasValueFiles }: HelmRelease) {
  if ([chart, version, namespace, values, repository].some(holdsUnknown)) {
    return "its chart, version, namespace or values are not known yet";
  }
  if (typeof chart !== "string" || chart === "") return "it names no chart";
  if (hasCredentials) return "its repository asks for credentials";
  if (hasValueFiles) return "it takes values from files";
  return undefined;
}

function run(name: string, { chart, version, namespace, values, repository }: HelmRelease): Rendered {
  const home = typeof namespace === "string" ? namespace : "default";
  const options: string[] = ["--namespace", home, "--skip-tests", "--values", "-"];
  if (typeof version === "string") options.push("--version", version);
  if (typeof repository === "string") options.push("--repo", repository);
  const given = String(chart);
  const isPath = given.startsWith(".") || path.isAbsolute(given);
  const done = spawnSync("helm", ["template", ...options, "--", name, isPath ? path.resolve(given) : given], {
    input: JSON.stringify(values ?? {}),
    encoding: "utf8",
    timeout: patience,
    maxBuffer: mostOutput,
  });
  const code = (done.error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ENOENT") return { because: "there is no helm on the PATH to render it (renderReleases)" };
  if (done.status !== 0)
    return { because: `helm template failed (${code ?? `exit code ${done.status ?? "unknown"}`})` };
  const { objects, problems } = readYaml(done.stdout);
  if (problems.length > 0) return { because: "what helm template printed cannot be read in full" };
  return { objects: objects.map(({ object }) => inNamespace(object, home)) };
}

/** Helm creates an object that names no namespace in that of the release. */
function inNamespace(object: KubeObject, namespace: string): KubeObject {
  if (isClusterwide(object.apiVersion, object.kind) || object.metadata?.namespace !== undefined) return object;
  return { ...object, metadata: { ...object.metadata, namespace } };
}
