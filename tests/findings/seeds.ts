/** The users' documents in `../shared/seeds`, where a checkout has them. They are read, never copied. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";

const folder = path.resolve(__dirname, "..", "..", "..", "shared", "seeds");

/** The YAML documents with a kind that a seed prints, as one stream; nothing where the seeds are not there. */
export function yamlOf(prefix: string): string | undefined {
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

/** A known defect of a seed and the rule that has to name it. */
interface Expected {
  readonly seed: string;
  readonly defect: string;
  readonly id: string;
  readonly says: RegExp;
}

export const findings = {
  yamlOf,
  /** Known defects in the objects that the seeds print. */
  expected: [
    { seed: "000", defect: "B01", id: "all-ports-rule", says: /service-to-service opens every port/ },
    { seed: "000", defect: "B02", id: "half-open-flow", says: /service-to-service allows what the other side/ },
    {
      seed: "000",
      defect: "B03",
      id: "label-only-identity",
      says: /service-to-service identifies callers by labels alone/,
    },
    { seed: "001", defect: "B04", id: "not-understood", says: /default-deny-egress: spec\.policyTypes/ },
    { seed: "001", defect: "B05", id: "name-contradicts-effect", says: /reaches only pods: spec\.egress\[1\]/ },
    {
      seed: "001",
      defect: "B06",
      id: "world-rule-covers-private",
      says: /spec\.egress\[2\] also holds addresses of 10/,
    },
    {
      seed: "001",
      defect: "C15",
      id: "world-rule-covers-private",
      says: /allow-backend-external-apis is for the internet/,
    },
    { seed: "001", defect: "B09", id: "spoofable-peer", says: /trusts a label/ },
    { seed: "001", defect: "B10", id: "admin-port-open", says: /15672/ },
    { seed: "001", defect: "B12", id: "spoofable-peer", says: /pod labels in any namespace/ },
    { seed: "003", defect: "B16", id: "empty-rule", says: /tier1-observability-egress/ },
    { seed: "003", defect: "B17", id: "tier0-restricted", says: /allow-metrics-scraping/ },
    { seed: "003", defect: "B18", id: "tier0-restricted", says: /allow-dns-ingress|allow-to-kubedns-ingress/ },
    { seed: "003", defect: "B19", id: "health-endpoint-cut", says: /default-deny-all selects them/ },
    { seed: "003", defect: "B19", id: "ingress-proxy-cut", says: /default-deny-all selects it/ },
    { seed: "003", defect: "B21", id: "fqdn-matches-nothing", says: /tier1-cert-manager-egress/ },
    { seed: "003", defect: "B22", id: "fqdn-without-dns-proxy", says: /tier1-cert-manager-egress/ },
    { seed: "003", defect: "B24", id: "half-open-flow", says: /tier1-external-secrets-egress allows what/ },
    { seed: "003", defect: "C04", id: "tier0-restricted", says: /allow-metrics-scraping selects them/ },
    { seed: "003", defect: "C06", id: "empty-rule", says: /tier1-observability-egress holds an empty rule/ },
    { seed: "003", defect: "C07", id: "empty-rule", says: /tier1-observability-egress holds an empty rule/ },
    { seed: "003", defect: "B34", id: "tier0-restricted", says: /CiliumClusterwideNetworkPolicy default-deny/ },
    { seed: "003", defect: "C05", id: "explicit-default-deny", says: /enableDefaultDeny/ },
  ] satisfies Expected[],
  /** Known defects that no rule can see in what the documents print, each with the reason. */
  unseen: {
    ...Object.fromEntries(
      [
        "B11",
        "B13",
        "B14",
        "B15",
        "B20",
        "B26",
        "B27",
        "B28",
        "B30",
        "B31",
        "B32",
        "B36",
        "B42",
        "B46",
        "B47",
        "B48",
      ].map((defect) => [defect, "a command or a claim in the text, which is no object"]),
    ),
    B07: "the default deny for egress is refused (B04), so nothing closes the other half; seen once that is repaired",
    B08: "the document prints no workload, so what listens on 9090 is not known (port-nobody-listens)",
    B23: "no workload, binding or webhook of the operators is printed (kube-api-cut, webhook-cut)",
    B25: "which exporters are on the host network is not printed (host-network-selected)",
    B29: "the printed Kustomization names a folder and not its files (order-hazard)",
    B33: "the templates of the same document let DNS pass over TCP for the same pods, so no path is cut",
    B35: "no workload that uses the API server is printed (kube-api-cut)",
    B37: "k8s-app: kube-dns is right for most distributions; which one it is, is not printed",
    B38: "the document prints no YAML",
    B39: "the document prints no YAML",
    B40: "the document prints no YAML",
    B41: "the document prints no YAML",
    B43: "the document prints no YAML",
    B44: "the document prints no YAML",
    B45: "the document prints no YAML",
    C01: "versions of different documents; enforcer-version judges the one that is installed",
    C02: "two documents want different things; each alone is consistent",
    C03: "lists of namespaces in prose",
    C08: "file names of different sections; see B33",
    C09: "a command's outcome, see B26",
    C10: "said in prose, see B20",
    C11: "see B29",
    C12: "the order of tasks in prose",
    C13: "the policy that holds both is refused (B04)",
    C14: "prose about a set of policies that is not printed",
    C16: "a choice of tools",
    C17: "prose; no policy of the document closes all of 169.254.0.0/16 for ingress",
  } as Readonly<Record<string, string>>,
};
