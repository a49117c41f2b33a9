import { CORE_SCHEMA, load } from "js-yaml";
import type { Exemption } from "../findings";
import { didYouMean, inputError, nearest } from "./errors";
import { textOf } from "./sources/files";
import { isMap } from "../reachability/model/plain";

const keys: readonly (keyof Exemption)[] = ["finding", "namespace", "kind", "name", "owner", "reason", "expires"];

/**
 * The exemptions of a file: YAML or JSON, a list or `exemptions:` with one, each with the keys of {@link Exemption}. What
 * a key holds is judged where exemptions are applied: one that is incomplete or overdue is a finding.
 *
 * @throws CliError where the file cannot be read, is no such list, or names a rule or a key that does not exist: such an
 * exemption covers nothing, and its author believes that it does.
 */
export function readExemptions(file: string, ruleIds: readonly string[]): Exemption[] {
  const parsed = parse(file);
  const list = isMap(parsed) && Object.keys(parsed).length === 1 ? parsed["exemptions"] : parsed;
  if (!Array.isArray(list)) {
    throw inputError(`${file} holds no exemptions: write a list, or "exemptions:" with a list`);
  }
  return list.map((item: unknown, index) => exemptionOf(item, `${file}: exemption ${index + 1}`, ruleIds));
}

function parse(file: string): unknown {
  const text = textOf(file);
  try {
    // in this schema a date stays the text that it is
    return load(text, { schema: CORE_SCHEMA, filename: file });
  } catch (error) {
    const { mark, reason } = error as { mark?: { line?: number }; reason?: string };
    throw inputError(`${file}:${(mark?.line ?? 0) + 1}: not valid YAML: ${reason ?? String(error)}`);
  }
}

function exemptionOf(item: unknown, where: string, ruleIds: readonly string[]): Exemption {
  if (!isMap(item)) throw inputError(`${where} is no map with finding, owner, reason and expires`);
  for (const key of Object.keys(item)) {
    if (keys.some((known) => known === key)) continue;
    throw inputError(`${where} has an unknown key "${key}".${didYouMean(nearest(key, keys))}`);
  }
  const { finding } = item;
  if (typeof finding === "string" && !ruleIds.includes(finding)) {
    throw inputError(`${where}: there is no rule "${finding}".${didYouMean(nearest(finding, ruleIds))}`);
  }
  return item as unknown as Exemption;
}
