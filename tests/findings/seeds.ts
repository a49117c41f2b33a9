/** The users' documents in `../shared/seeds`, where a checkout has them. They are read, never copied. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";

const folder = path.resolve(__dirname, "..", "..", "..", "shared", "seeds");

/** The YAML documents with a kind that a seed prints, as one stream; nothing where the seeds are not there. */
function yamlOf(prefix: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  const file = readdirSync(folder).find((name) => name.startsWith(prefix));
  if (file === undefined) return undefined;
  const text = readFileSync(path.join(folder, file), "utf8");
  const blocks = [...text.matchAll(/^[ \t]*```ya?ml\n([\s\S]*?)^[ \t]*```/gm)].map((match) => dedent(match[1] ?? ""));
  return blocks
    .flatMap((block) => block.split(/^---[ \t]*$/m))
    .filter(isObject)
    .join("\n---\n");
}

function dedent(block: string): string {
  const indents = block
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => /^ */.exec(line)?.[0].length ?? 0);
  const common = Math.min(...indents);
  return block
    .split("\n")
    .map((line) => line.slice(common))
    .join("\n");
}

function isObject(document: string): boolean {
  try {
    const value = load(document);
    return typeof value === "object" && value !== null && "kind" in value && "apiVersion" in value;
  } catch {
    return false;
  }
}

export const findings = {
  yamlOf,
  /** Known defects (B01 …) and the rule that has to name each. */
  expected: [
    { seed: "000", defect: "B01", id: "all-ports-rule", says: /service-to-service opens every port/ },
    { seed: "001", defect: "B04", id: "not-understood", says: /default-deny-egress: spec\.policyTypes/ },
    { seed: "001", defect: "B09", id: "spoofable-peer", says: /trusts a label/ },
    { seed: "001", defect: "B12", id: "spoofable-peer", says: /pod labels in any namespace/ },
    { seed: "003", defect: "B17", id: "tier0-restricted", says: /allow-metrics-scraping/ },
    { seed: "003", defect: "B18", id: "tier0-restricted", says: /allow-dns-ingress|allow-to-kubedns-ingress/ },
    { seed: "003", defect: "B22", id: "fqdn-without-dns-proxy", says: /tier1-cert-manager-egress/ },
    { seed: "003", defect: "B34", id: "tier0-restricted", says: /CiliumClusterwideNetworkPolicy default-deny/ },
    { seed: "003", defect: "C05", id: "explicit-default-deny", says: /enableDefaultDeny/ },
  ],
};
