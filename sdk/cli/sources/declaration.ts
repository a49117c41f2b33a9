/** A declaration as a source: what its policies do, in a cluster of its workloads. */
import { load } from "js-yaml";
import type { KubeObject, SourcedObject } from "../../reachability";
import type { SourceContent } from "./types";

/** Whether a text is the declaration of a cluster: one document without a kind, with namespaces or workloads by name. */
export function isDeclaration(text: string): boolean {
  if (!/["']?(workloads|namespaces)["']?\s*:/.test(text)) return false;
  let value: unknown;
  try {
    value = load(text);
  } catch {
    return false;
  }
  if (typeof value !== "object" || value === null || "kind" in value || "apiVersion" in value) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return ["namespaces", "workloads"].some((name) => isNamed(fields.get(name)));
}

function isNamed(list: unknown): boolean {
  if (!Array.isArray(list) || list.length === 0) return false;
  return list.every((one: unknown) => typeof (one as { name?: unknown } | null)?.name === "string");
}

/** The policies of a declaration as it holds today, its namespaces, and one pod for each workload. @throws CliError */
export async function readDeclarationFile(file: string): Promise<SourceContent> {
  const { planOfToday } = await import("../declaration-file.js");
  const { imaginedCluster } = await import("../../plan/index.js");
  const { declaration, plan } = await planOfToday(file);
  const objects = [
    ...imaginedCluster(declaration).objects,
    ...plan.documents.map(({ object }) => object as unknown as KubeObject),
  ];
  return {
    objects: objects.map((object): SourcedObject => ({ object, source: { file } })),
    problems: [],
    notes: plan.warnings.map(({ message }) => `${file}: ${message}`),
  };
}
