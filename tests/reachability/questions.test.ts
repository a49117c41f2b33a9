import assert from "node:assert/strict";
import {
  blastRadius,
  buildSnapshot,
  compile,
  diff,
  equivalent,
  exposure,
  hygiene,
  profileFor,
  readYaml,
  type Reachability,
} from "../../sdk/reachability";

const deployment = (name: string, namespace = "shop"): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  template:
    metadata: { labels: { app: ${name} } }
    spec: { containers: [{ name: main, image: main, ports: [{ name: http, containerPort: 8080 }] }] }
---`;

const policy = (name: string, spec: string, namespace = "shop"): string => `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
---`;

const denyAll = policy("default-deny-all", "{ podSelector: {}, policyTypes: [Ingress, Egress] }");
const allow = (from: string, to: string, port: number): string =>
  policy(
    `allow-${from}-to-${to}-egress`,
    `{ podSelector: { matchLabels: { app: ${from} } }, policyTypes: [Egress], egress: [{ to: [{ podSelector: { matchLabels: { app: ${to} } } }], ports: [{ port: ${port} }] }] }`,
  ) +
  policy(
    `allow-${from}-to-${to}-ingress`,
    `{ podSelector: { matchLabels: { app: ${to} } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: ${from} } } }], ports: [{ port: ${port} }] }] }`,
  );

function judge(...texts: string[]): Reachability {
  const { objects, problems } = readYaml(texts.join("\n"), "all.yaml");
  assert.deepEqual(problems, []);
  return compile(buildSnapshot(objects, { profile: profileFor("kubernetes") }));
}

const shop = deployment("web") + deployment("api") + deployment("db") + denyAll;
const id = (name: string): string => `shop/${name}[Deployment]`;

describe("questions about a snapshot", () => {
  it("diff names the paths that opened and closed, and the objects that did it", () => {
    const before = judge(shop, allow("web", "api", 80));
    const after = judge(shop, allow("web", "api", 81), allow("api", "db", 5432));
    const entries = [...diff(before, after)].map(({ sourceId, destinationId, change, after: now, causes }) => [
      sourceId,
      destinationId,
      change,
      now.allowed.toString(),
      causes.map(({ name }) => name).sort(),
    ]);
    assert.deepEqual(entries, [
      [id("api"), id("db"), "opened", "TCP 5432", ["allow-api-to-db-egress", "allow-api-to-db-ingress"]],
      [id("web"), id("api"), "changed", "TCP 81", ["allow-web-to-api-egress", "allow-web-to-api-ingress"]],
    ]);
    assert.deepEqual([...diff(before, before)], []);
  });

  it("diff shows what opens to the world, by range", () => {
    const before = judge(shop);
    const after = judge(
      shop,
      policy(
        "world",
        "{ podSelector: { matchLabels: { app: web } }, policyTypes: [Egress], egress: [{ to: [{ ipBlock: { cidr: 0.0.0.0/0, except: [169.254.169.254/32] } }] }] }",
      ),
    );
    assert.deepEqual(
      [...diff(before, after)].map(({ sourceId, destinationId, change }) => [sourceId, destinationId, change]),
      [
        [id("web"), "0.0.0.0-169.254.169.253[External]", "opened"],
        [id("web"), "169.254.169.255-255.255.255.255[External]", "opened"],
      ],
    );
  });

  it("equivalent tells rewritten policies from policies that differ", () => {
    const a = judge(shop, allow("web", "api", 80));
    const split = policy(
      "more",
      "{ podSelector: { matchLabels: { app: api } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: web } } }], ports: [{ port: 80, endPort: 80 }] }] }",
    );
    assert.equal(equivalent(a, judge(shop, allow("web", "api", 80), split)).equivalent, true);
    const wider = equivalent(
      a,
      judge(shop, allow("web", "api", 80), policy("open", "{ podSelector: {}, ingress: [{}] }")),
    );
    assert.equal(wider.equivalent, false);
    assert.ok(wider.differences.length > 0);
  });

  it("blast radius follows the hops", () => {
    const reachability = judge(shop, allow("web", "api", 80), allow("api", "db", 5432));
    assert.deepEqual(
      blastRadius(reachability, id("web")).reached.map(({ workloadId, hops, over }) => [workloadId, hops, over]),
      [
        [id("api"), 1, id("web")],
        [id("db"), 2, id("api")],
      ],
    );
    assert.throws(() => blastRadius(reachability, "shop/none[Pod]"), RangeError);
  });

  it("exposure shows the world, fresh pods and the entrances that lead to a workload", () => {
    const service = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { type: LoadBalancer, externalTrafficPolicy: Local, selector: { app: web }, ports: [{ port: 80, targetPort: http }] }
---`;
    const open = policy(
      "open",
      "{ podSelector: { matchLabels: { app: web } }, ingress: [{ ports: [{ port: http }] }] }",
    );
    const [closed] = exposure(judge(shop, service), { workloads: [id("web")] });
    assert.deepEqual([closed?.entrances, closed?.fromWorld, closed?.fromFreshPods], [[], [], []]);
    const [opened] = exposure(judge(shop, service, open), { workloads: [id("web")] });
    assert.equal(opened?.entrances[0]?.via.name, "web");
    assert.equal(opened?.entrances[0]?.allowed.toString(), "TCP 8080");
    assert.equal(opened?.fromWorld[0]?.allowed.toString(), "TCP 8080");
  });

  it("hygiene finds policies and rules that do nothing, or half", () => {
    const reachability = judge(
      shop,
      policy("unused", "{ podSelector: { matchLabels: { app: gone } }, ingress: [{}] }"),
      policy(
        "dead",
        "{ podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: gone } } }] }] }",
      ),
      policy(
        "shadowed",
        "{ podSelector: { matchLabels: { app: api } }, ingress: [{ ports: [{ port: 80 }] }, { ports: [{ port: 80, endPort: 90 }] }] }",
      ),
      policy(
        "half",
        "{ podSelector: { matchLabels: { app: web } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: api } } }] }] }",
      ),
    );
    assert.deepEqual(
      [...hygiene(reachability)].map(({ kind, policy: { name }, rule }) => [kind, name, rule?.path]),
      [
        ["unused", "unused", undefined],
        ["dead", "dead", "spec.ingress[0]"],
        ["shadowed", "shadowed", "spec.ingress[0]"],
        ["half-open", "half", "spec.ingress[0]"],
      ],
    );
  });
});

describe("hygiene of what was read in part", () => {
  const fromNamespace = (name: string): string =>
    policy(
      `from-${name}`,
      `{ podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: ${name} } } }] }] }`,
    );
  const messages = (reachability: Reachability): string[] =>
    [...hygiene(reachability)].filter(({ kind }) => kind === "dead" || kind === "unused").map(({ message }) => message);

  it("does not call a rule dead for pods of a namespace that was not read", () => {
    assert.deepEqual(messages(judge(shop, fromNamespace("monitoring"))), []);
  });

  it("says so where pods of any namespace may be meant, and what else may make pods", () => {
    const anywhere = policy(
      "from-prometheus",
      "{ podSelector: { matchLabels: { app: db } }, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: prometheus } } }] }] }",
    );
    assert.deepEqual(messages(judge(shop, anywhere)), [
      "NetworkPolicy shop/from-prometheus spec.ingress[0]: no workload that was read is among its peers",
    ]);
    const operated = `
apiVersion: kafka.strimzi.io/v1beta2
kind: Kafka
metadata: { name: main, namespace: shop }
---`;
    const gone = policy("gone", "{ podSelector: { matchLabels: { strimzi.io/name: main } } }");
    assert.deepEqual(messages(judge(shop, gone, operated)), [
      "NetworkPolicy shop/gone selects no workload that was read; Kafka shop/main may make one",
    ]);
    assert.deepEqual(messages(judge(shop, gone)), ["NetworkPolicy shop/gone selects no workload"]);
  });
});

describe("hygiene across policies", () => {
  const found = (reachability: Reachability): string[] =>
    [...hygiene(reachability)]
      .filter(({ kind }) => kind === "shadowed" || kind === "duplicate")
      .map(({ kind, rule, coveredBy }) => {
        const names = (coveredBy ?? []).map(({ policy: { name }, path }) => `${name} ${path}`);
        return `${rule?.policy.name} ${rule?.path} ${kind} by ${names.sort().join(" and ")}`;
      });
  const ingress = (name: string, rule: string): string =>
    policy(name, `{ podSelector: { matchLabels: { app: api } }, ingress: [${rule}] }`);

  it("S1-20: names the rules of other policies that say the same, or all of it together", () => {
    const web = "from: [{ podSelector: { matchLabels: { app: web } } }]";
    const db = "from: [{ podSelector: { matchLabels: { app: db } } }]";
    const port80 = `{ ${web}, ports: [{ port: 80 }] }`;
    assert.deepEqual(found(judge(shop, ingress("a", port80), ingress("b", port80))), [
      "b spec.ingress[0] duplicate by a spec.ingress[0]",
    ]);
    // written differently, the same set
    const either = "from: [{ podSelector: { matchExpressions: [{ key: app, operator: In, values: [web, db] }] } }]";
    const parts = [ingress("a", `{ ${web} }`), ingress("b", `{ ${db} }`)];
    assert.deepEqual(found(judge(shop, ...parts, ingress("c", `{ ${either} }`))), [
      "c spec.ingress[0] shadowed by a spec.ingress[0] and b spec.ingress[0]",
    ]);
    assert.deepEqual(found(judge(shop, ingress("a", `{ ${web} }`), ingress("c", `{ ${either} }`))), [
      "a spec.ingress[0] shadowed by c spec.ingress[0]",
    ]);
    // addresses and ports, in pieces
    const block = (cidr: string, from: number, to: number): string =>
      `{ from: [{ ipBlock: { cidr: ${cidr} } }], ports: [{ port: ${from}, endPort: ${to} }] }`;
    const halves = [ingress("a", block("0.0.0.0/1", 1, 443)), ingress("b", block("128.0.0.0/1", 1, 443))];
    assert.deepEqual(found(judge(shop, ...halves, ingress("c", block("0.0.0.0/0", 80, 443)))), [
      "c spec.ingress[0] shadowed by a spec.ingress[0] and b spec.ingress[0]",
    ]);
    assert.deepEqual(found(judge(shop, ...halves, ingress("c", block("0.0.0.0/0", 80, 444)))), []);
  });

  it("does not take the pods that happen to be there for all there could be", () => {
    const all = ingress("all", "{ from: [{ podSelector: {} }] }");
    const some = ingress("some", "{ from: [{ podSelector: { matchExpressions: [{ key: app, operator: Exists }] } }] }");
    // all pods of shop have the label, but another may come that has not: `all` is kept
    assert.deepEqual(found(judge(shop, all, some)), ["some spec.ingress[0] shadowed by all spec.ingress[0]"]);
    const open = (name: string, port: string): string => ingress(name, `{ ports: [{ port: ${port} }] }`);
    // `http` may be another port in a pod to come
    assert.deepEqual(found(judge(shop, open("named", "http"), open("numbered", "8080"))), []);
    assert.deepEqual(found(judge(shop, open("named", "http"), open("other", "http"))), [
      "other spec.ingress[0] duplicate by named spec.ingress[0]",
    ]);
  });

  it("sees what a policy of an earlier tier already decides, and which policies close the other end", () => {
    const admin = (action: string): string => `
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: admin }
spec: { tier: Admin, priority: 1, subject: { namespaces: {} }, ingress: [{ action: ${action}, from: [{ namespaces: {} }] }] }
---`;
    const web = ingress("web", "{ from: [{ podSelector: { matchLabels: { app: web } } }] }");
    assert.deepEqual(found(judge(shop, web, admin("Deny"))), ["web spec.ingress[0] shadowed by admin spec.ingress[0]"]);
    assert.deepEqual(found(judge(shop, web, admin("Pass"))), []);
    const [half] = [...hygiene(judge(shop, web))].filter(({ kind }) => kind === "half-open");
    assert.deepEqual(
      half?.closedBy?.map(({ name }) => name),
      ["default-deny-all"],
    );
    assert.match(
      half?.message ?? "",
      /egress of the sources does not let it pass \(NetworkPolicy shop\/default-deny-all\)/,
    );
  });
});

describe("matrix", () => {
  it("says the same as traffic() for every pair, in the order of ids", () => {
    const reachability = judge(shop, allow("web", "api", 80), deployment("free", "other"), deployment("open", "other"));
    const entries = [...reachability.matrix({ external: false })];
    const ids = entries.map(({ sourceId, destinationId }) => `${sourceId} ${destinationId}`);
    assert.deepEqual(ids, [...ids].sort());
    const found = new Map(entries.map((entry) => [`${entry.sourceId} ${entry.destinationId}`, entry]));
    for (const from of reachability.snapshot.workloads) {
      for (const to of reachability.snapshot.workloads) {
        if (from === to) continue;
        const traffic = reachability.traffic({ kind: "workload", id: from.id }, { kind: "workload", id: to.id });
        const entry = found.get(`${from.id} ${to.id}`);
        assert.equal(entry?.allowed ?? traffic.allowed, traffic.allowed);
        assert.equal(entry === undefined, traffic.possible.isEmpty());
      }
    }
    const only = [...reachability.matrix({ namespaces: ["shop"], protocol: "TCP", port: 80, external: false })];
    assert.deepEqual(
      only.map(({ sourceId, destinationId, allowed }) => [sourceId, destinationId, allowed.toString()]),
      [[id("web"), id("api"), "TCP 80"]],
    );
  });
});
