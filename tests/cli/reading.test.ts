import { strict as assert } from "node:assert";
import { AddressSet } from "../../sdk/reachability";
import { describeAddresses } from "../../sdk/cli/print/external";
import { folderWith, run, type Ran } from "./command";
import { backendIngress, defaultDeny, deployment, join, namespace, shop } from "./fixtures";

async function ask(files: Readonly<Record<string, string>>, ...args: string[]): Promise<Ran> {
  const { folder, remove } = folderWith(files);
  try {
    return await run(args, { cwd: folder });
  } finally {
    remove();
  }
}

const web = join(namespace("web"), deployment("web", "site", 8080));
const policy = (spec: string): string =>
  `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: site, namespace: web }\nspec:\n${spec}`;

describe("cluster-security: what a person sees", () => {
  it("matrix writes the addresses of the world in one row, by what is left out", async () => {
    const open = await ask({ "web.yaml": web }, "matrix", "web.yaml");
    assert.match(open.stdout, /^every address\[External\] +web\/site\[Deployment\] +All Connections$/m);
    assert.match(open.stdout, /^web\/site\[Deployment\] +every address\[External\] +All Connections$/m);
    assert.doesNotMatch(open.stdout, /ffff|0\.0\.0\.0/);
    const blocks = `  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{ ipBlock: { cidr: 0.0.0.0/0, except: [169.254.169.254/32] } }, { ipBlock: { cidr: "::/0" } }]
      ports: [{ port: 443 }]
    - to: [{ ipBlock: { cidr: 203.0.113.0/24 } }]
`;
    const some = await ask({ "web.yaml": join(web, policy(blocks)) }, "matrix", "web.yaml");
    assert.match(some.stdout, /every address but 169\.254\.169\.254, 203\.0\.113\.0\/24\[External\] +TCP 443$/m);
    assert.match(some.stdout, /203\.0\.113\.0\/24\[External\] +All Connections$/m);
    const json = await ask({ "web.yaml": join(web, policy(blocks)) }, "matrix", "web.yaml", "--format", "json");
    assert.match(json.stdout, /"dst":"0\.0\.0\.0-/);
  });

  it("matrix writes complements of ports, and fits 120 columns", async () => {
    const ports = [22, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 7500, 7600].map(
      (port) => `{ port: ${port}, endPort: ${port + 40} }`,
    );
    const rule = (text: string): string =>
      policy(`  podSelector: {}\n  policyTypes: [Ingress]\n  ingress: [{ ports: ${text} }]\n`);
    const hole = rule(
      "[{ port: 1, endPort: 21 }, { port: 23, endPort: 65535 }, { protocol: UDP }, { protocol: SCTP }]",
    );
    const most = await ask({ "web.yaml": join(web, hole) }, "matrix", "web.yaml");
    assert.match(most.stdout, / every port but TCP 22$/m, most.stdout);
    const many = await ask({ "web.yaml": join(web, rule(`[${ports.join(", ")}]`)) }, "matrix", "web.yaml");
    const lines = many.stdout.split("\n");
    assert.ok(
      lines.every((line) => line.length <= 120),
      many.stdout,
    );
    assert.match(many.stdout, /7600-7640/);
  });

  it("addresses are named by the shorter of what they are and what they are not", () => {
    const names = [
      ["0.0.0.0/0", "::/0"],
      ["0.0.0.0/0"],
      ["::/0"],
      ["10.0.0.0/8", "192.0.2.7"],
      ["128.0.0.0/1", "0.0.0.0/2", "::/0"],
    ].map((cidrs) => describeAddresses(AddressSet.ofCidrs(...cidrs)));
    assert.deepEqual(names, [
      "every address",
      "every IPv4 address",
      "every IPv6 address",
      "10.0.0.0/8, 192.0.2.7",
      "every address but 64.0.0.0/2",
    ]);
  });

  it("check leads with the counts, worst first, one block for one cause, with the rule's own line", async () => {
    const open = (name: string): string => join(namespace(name), deployment(name, "app", 80));
    const wide = policy("  podSelector: {}\n  policyTypes: [Ingress]\n  ingress:\n    - ports: [{ port: 443 }]\n");
    const { stdout } = await ask({ "a.yaml": join(open("one"), open("two")), "b.yaml": join(web, wide) }, "check", ".");
    const [first = ""] = stdout.split("\n");
    assert.match(first, /^\d+ critical, \d+ /);
    const block = /^CRITICAL namespace-default-deny\n((?: {2}.*\n)+)/gm;
    const blocks = [...stdout.matchAll(block)].map(([text]) => text);
    assert.ok(
      blocks.some((text) => /Namespace one .*\n {2}Namespace two .*\n {2}because/.test(text)),
      stdout,
    );
    const severities = [...stdout.matchAll(/^(CRITICAL|HIGH|MEDIUM|LOW) /gm)].map(([, name]) => name);
    const order = ["CRITICAL", "HIGH", "MEDIUM", "LOW"];
    assert.deepEqual(
      severities,
      [...severities].sort((a, b) => order.indexOf(a ?? "") - order.indexOf(b ?? "")),
    );
    // the line of spec.ingress[0], not that of the document
    assert.match(stdout, /spec\.ingress\[0\]/);
    const line =
      join(web, wide)
        .split("\n")
        .findIndex((text) => text.includes("- ports")) + 1;
    assert.match(stdout, new RegExp(`\\[b\\.yaml:${line}\\]`));
  });

  it("explain gives the chain in one line first, then the details with their lines", async () => {
    const { stdout } = await ask({ "shop.yaml": shop }, "explain", "shop/frontend", "shop/backend:8080", "shop.yaml");
    const [head = "", chain = ""] = stdout.split("\n");
    assert.match(head, /^shop\/frontend.* -> shop\/backend.* TCP 8080 +ALLOWED$/);
    assert.match(
      chain,
      /^egress allowed by NetworkPolicy shop\/\S+ spec\.egress\[0\] \(shop\.yaml:\d+\), then ingress allowed by NetworkPolicy/,
    );
    const closed = await ask(
      { "shop.yaml": join(shop.replace(backendIngress, ""), defaultDeny) },
      ...["explain", "198.51.100.7", "shop/backend:8080", "shop.yaml"],
    );
    assert.match(closed.stdout, /then ingress denied: isolated by .*default-deny-all/);
    assert.doesNotMatch(closed.stdout, /leaving none/);
  });

  it("notes are capped, and say how many more there are and how to see them", async () => {
    const staged = (name: string): string =>
      `apiVersion: projectcalico.org/v3\nkind: StagedNetworkPolicy\nmetadata: { name: ${name}, namespace: web }\nspec: { selector: all() }\n`;
    const http = (name: string): string =>
      `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: ${name}, namespace: web }\nspec: { rules: [{ to: [{ operation: { methods: [GET] } }] }] }\n`;
    const names = Array.from({ length: 9 }, (_, index) => `p${index}`);
    const files = { "web.yaml": join(web, ...names.map(staged), ...names.map(http)) };
    const { stderr } = await ask(files, "matrix", "web.yaml", "--cni", "calico@3.32");
    assert.match(stderr, /4 more policies are staged \(--verbose lists them\)/);
    assert.match(stderr, /4 more rules look at HTTP requests \(--verbose lists them\)/);
    const all = await ask(files, "matrix", "web.yaml", "--cni", "calico@3.32", "--verbose");
    assert.doesNotMatch(all.stderr, / more /);
  });

  it("explain names the HTTP requests for which a flow is allowed", async () => {
    const rule = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: api, namespace: web }
spec:
  endpointSelector: {}
  ingress:
    - fromEntities: [world]
      toPorts: [{ ports: [{ port: "8080", protocol: TCP }], rules: { http: [{ method: GET, path: /x }] } }]
`;
    const files = { "web.yaml": join(web, rule) };
    const { stdout } = await ask(files, "explain", "203.0.113.7", "web/site:8080", "web.yaml");
    assert.match(stdout, /ALLOWED for GET \/x only$/m);
    const json = await ask(files, "explain", "203.0.113.7", "web/site:8080", "web.yaml", "--format", "json");
    assert.match(json.stdout, /"condition": "GET \/x only"/);
  });
});
