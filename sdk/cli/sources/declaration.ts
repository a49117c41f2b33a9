/** A declaration as a source: what its policies do, in a cluster of its workloads. */
import { load } from "js-yaml";
import type { ClusterSecurityDeclaration } from "../../plan";
import { declarationFields } from "../../plan/declaration-fields";
import type { KubeObject, SourcedObject } from "../../reachability";
import type { SourceContent } from "./types";

/** Lists of a declaration that no other YAML file is likely to hold beside further fields of one. */
const lists = ["namespaces", "workloads", "flows", "tenants", "applications"];

/**
 * The declaration that a text holds, whatever is wrong with it: one document without a kind, with a list that declarations
 * have, and with at least as many of a declaration's fields as of others (a misspelt field is the planner's to name).
 *
 * @returns `undefined` for manifests, states and values of charts.
 */
export function declarationFrom(text: string): ClusterSecurityDeclaration | undefined {
  // several documents, or an object: no declaration, and no need to parse it whole
  if (/^(---|["']?apiVersion["']?:)/m.test(text.replace(/^---[^\n]*\n/, ""))) return undefined;
  let value: unknown;
  try {
    value = load(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const fields = new Map<string, unknown>(Object.entries(value));
  if (["kind", "apiVersion", "deployment"].some((other) => fields.has(other))) return undefined;
  if (!lists.some((name) => Array.isArray(fields.get(name)))) return undefined;
  const known = declarationFields.filter((name) => fields.has(name));
  return known.length * 2 >= fields.size ? (value as ClusterSecurityDeclaration) : undefined;
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
