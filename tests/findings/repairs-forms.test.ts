import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadAll } from "js-yaml";
import { evaluate } from "../../sdk/findings";
import { repaired, unifiedDiff } from "../../sdk/findings/repairs";
import { buildSnapshot, compile, readYaml } from "../../sdk/reachability";

const block = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  namespace: shop # the shop's
  name: allow-out
spec:
  # everything of the shop
  podselector: {}
  policyTypes:
  - Egress
  egress:
  - to:
    - ipBlock:
        cidr: 0.0.0.0/0   # the internet
        except:
        - 10.0.0.0/8
    ports:
    - port: "443"
      protocol: tcp
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
    ports:
    - {protocol: UDP, port: 53}
`;
const pods = `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: x, image: x}]}
`;
const alerts = `# Source: shop/templates/alerts.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: alerts, namespace: shop}
data: {text: "{{ $labels.pod }} is down"}
`;
const asList = (documents: readonly string[]): string =>
  `apiVersion: v1\nkind: List\nitems:\n${documents.map((each) => each.trimEnd().replace(/^/gm, "  ").replace(/^ {2}/, "- ")).join("\n")}\n`;
const object = (loadAll(block) as object[])[0];
const pod = (loadAll(pods) as object[])[0];

const forms: Readonly<Record<string, readonly [file: string, text: string]>> = {
  "documents of a stream": ["a.yaml", `${pods}---\n${block}`],
  "line ends of Windows": ["a.yml", `${pods}---\n${block}`.replaceAll("\n", "\r\n")],
  "no line end at the end, a name with a space": ["a b.yaml", `${block}---\n${pods}`.trimEnd()],
  "items of a List": ["list.yaml", asList([pods, block])],
  "what Helm rendered, a template of others beside it": [
    "rendered.yaml",
    `---\n${alerts}---\n# Source: shop/templates/policy.yaml\n${block}---\n# Source: shop/templates/pod.yaml\n${pods}`,
  ],
  "anchors that others use": [
    "a.yaml",
    `${pods}---\n${block.replace("namespace: shop # the shop's", "namespace: &home shop # the shop's").replace("name: allow-out", "name: allow-out\n  labels: {team: *home}")}`,
  ],
  "JSON of one object a file": ["policy.json", `${JSON.stringify(object, undefined, 2)}\n`],
  "JSON with tabs": ["policy.json", JSON.stringify(object, undefined, "\t")],
  "JSON on one line": ["policy.json", JSON.stringify(object)],
  "a List as JSON": [
    "list.json",
    JSON.stringify({ apiVersion: "v1", kind: "List", items: [pod, object] }, undefined, 4),
  ],
};

function repair(file: string, text: string): { readonly text: string; readonly rules: readonly string[] } {
  const result = repaired(new Map([[file, text]]), (changed) => {
    const read = [...readYaml(changed.get(file) ?? text, file).objects, ...readYaml(pods, "pods.yaml").objects];
    const reachability = compile(buildSnapshot(read));
    return { reachability, findings: evaluate(reachability) };
  });
  return { text: result.texts.get(file) ?? text, rules: result.repairs.map(({ rule }) => rule) };
}

/** The policy among the objects of a file. */
function policyIn(text: string): { readonly spec: Readonly<Record<string, unknown>> } {
  const all = (loadAll(text) as { kind: string; items?: object[] }[]).flatMap((each) => each.items ?? [each]);
  return all.find((each) => (each as { kind?: string }).kind === "NetworkPolicy") as ReturnType<typeof policyIn>;
}

const around = (text: string): string[] => text.split("\n").map((line) => line.trim());

describe("check --fix: every form of a file", () => {
  for (const [title, [file, text]] of Object.entries(forms)) {
    it(`${title}: repaired, nothing else changed, a patch that git and patch apply, a second run is empty`, () => {
      const fixed = repair(file, text);
      assert.deepEqual([...new Set(fixed.rules)].sort(), ["dns-cut", "metadata-endpoints-closed", "not-understood"]);
      const { spec } = policyIn(fixed.text);
      assert.deepEqual(Object.keys(spec), ["podSelector", "policyTypes", "egress"]);
      const [out, dns] = spec["egress"] as [
        { to: { ipBlock: { except: string[] } }[]; ports: object[] },
        { ports: object[] },
      ];
      assert.ok(out.to[0]?.ipBlock.except.includes("169.254.169.254/32"));
      assert.deepEqual(out.ports, [{ port: 443, protocol: "TCP" }]);
      assert.deepEqual(dns.ports, [
        { protocol: "UDP", port: 53 },
        { protocol: "TCP", port: 53 },
      ]);
      assert.deepEqual(repair(file, fixed.text).rules, []);
      if (!file.endsWith(".json")) {
        const gone = around(text).filter((line) => !around(fixed.text).includes(line));
        assert.deepEqual(gone, ["podselector: {}", '- port: "443"', "protocol: tcp"]);
      }
      assert.equal(fixed.text.includes("\r\n"), text.includes("\r\n"));
      appliesByTools(file, text, fixed.text);
    });
  }
});

function appliesByTools(file: string, before: string, after: string): void {
  const folder = mkdtempSync(path.join(tmpdir(), "repairs-"));
  try {
    mkdirSync(path.join(folder, "sub"));
    const place = path.join(folder, "sub", file);
    writeFileSync(path.join(folder, "fix.patch"), unifiedDiff(`sub/${file}`, before, after));
    for (const [tool, args] of [
      ["git", ["apply", "fix.patch"]],
      ["patch", ["-p1", "--binary", "--silent", "-i", "fix.patch"]],
    ] as const) {
      if (spawnSync(tool, ["--version"]).status !== 0) continue;
      writeFileSync(place, before);
      execFileSync(tool, args, { cwd: folder, stdio: "pipe" });
      assert.equal(readFileSync(place, "utf8"), after, tool);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
