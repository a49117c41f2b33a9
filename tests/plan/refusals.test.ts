import assert from "node:assert/strict";
import {
  DeclarationError,
  Dialect,
  Entity,
  MetadataService,
  Tier,
  UnsupportedHandling,
  cidr,
  fqdn,
  internet,
  namespace,
  plan,
  port,
  tcp,
  udp,
  workload,
} from "../../sdk/plan/index";
import type {
  ClusterSecurityDeclaration,
  FlowDeclaration,
  PeerDeclaration,
  PortDeclaration,
} from "../../sdk/plan/index";
import type { PrintedProblem } from "../support/problems";
import { printed } from "../support/problems";

const base: ClusterSecurityDeclaration = {
  namespaces: [namespace("shop"), namespace("other")],
  workloads: [
    workload("shop/frontend", { ports: [tcp(3000, "http")] }),
    workload("shop/backend-api", { ports: [tcp(3000, "http"), udp(9000)] }),
    workload("other/worker"),
  ],
};

function problemsOf(declaration: unknown): readonly PrintedProblem[] {
  try {
    plan(declaration as ClusterSecurityDeclaration);
  } catch (error) {
    assert.ok(error instanceof DeclarationError, String(error));
    return printed(error.problems);
  }
  assert.fail("the declaration was accepted");
}

/** The one problem of a declaration: its path, and a word of the message and of the fix. */
function refused(declaration: unknown, path: string, message: RegExp, fix: RegExp = /./): void {
  const problems = problemsOf(declaration);
  assert.deepEqual(
    problems.map((problem) => problem.path),
    [path],
    JSON.stringify(problems, null, 1),
  );
  assert.match(problems[0]?.message ?? "", message);
  assert.match(problems[0]?.fix ?? "", fix);
}

/** A flow as plain data, also one that the builders' types refuse. */
const because = (
  from: string | PeerDeclaration,
  to: string | PeerDeclaration,
  ...ports: PortDeclaration[]
): FlowDeclaration => {
  const peerOf = (peer: string | PeerDeclaration): PeerDeclaration =>
    typeof peer === "string" ? { workload: peer } : peer;
  return { from: peerOf(from), to: peerOf(to), ports, reason: "it must", owner: "team" };
};

const withFlows = (...flows: unknown[]): unknown => ({ ...base, flows });

describe("plan refuses, with path and fix", () => {
  it("accepts the declaration that the others are variations of", () => {
    assert.ok(plan({ ...base, flows: [because("frontend", "backend-api", tcp(3000))] }).documents.length > 0);
  });

  it("a flow to a workload that is not declared, with the nearest name", () => {
    refused(
      withFlows(because("frontend", "backend-apj", tcp(3000))),
      "flows[0].to.workload",
      /not declared/,
      /shop\/backend-api/,
    );
  });

  it("a name that several workloads have", () => {
    const workloads = [...(base.workloads ?? []), workload("other/frontend")];
    const flows = [because("frontend", "worker", tcp(80))];
    refused({ ...base, workloads, flows }, "flows[0].from.workload", /several/, /shop\/frontend, other\/frontend/);
  });

  for (const [text, message] of [
    ["10.0.0.0/33", /prefix length/],
    ["10.0.0/8", /not an IPv4 or IPv6/],
    ["300.1.1.1/32", /not an IPv4 or IPv6/],
    ["10.0.0.1", /no prefix length/],
    ["10.1.2.3/8", /beyond its prefix/],
    ["2001:db8::/129", /prefix length/],
    ["::ffff:10.0.0.0/104", /IPv4 range in IPv6/],
    ["shop.example.com", /not an IPv4 or IPv6/],
  ] as const) {
    it(`the CIDR ${text}`, () => {
      refused(withFlows(because("frontend", cidr(text), tcp(443))), "flows[0].to.cidr", message);
    });
  }

  it("an exception that does not lie inside its range", () => {
    refused(
      withFlows(because("frontend", cidr("10.0.0.0/8", ["11.0.0.0/8"]), tcp(443))),
      "flows[0].to.except[0]",
      /inside/,
    );
  });

  for (const address of ["169.254.169.254/32", "fd00:ec2::254/128", "168.63.129.16/32", "64:ff9b::a9fe:a9fe/128"]) {
    it(`the metadata endpoint ${address} as a destination`, () => {
      refused(withFlows(because("frontend", cidr(address), tcp(80))), "flows[0].to.cidr", /metadata/, /identity/);
    });
  }

  for (const number of [70000, 0, -1, 65536, 80.5, Number.NaN]) {
    it(`port ${number}`, () => {
      refused(
        withFlows(because("frontend", "worker", tcp(number))),
        "flows[0].ports[0].port",
        /not a port number/,
        /65535/,
      );
    });
  }

  it("a port range that ends before it begins", () => {
    const ports = [{ port: 90, endPort: 80 }];
    refused(withFlows({ ...because("frontend", "worker"), ports }), "flows[0].ports[0].endPort", /below/);
  });

  it("a flow without ports (seed defect B01)", () => {
    refused(withFlows(because("frontend", "worker")), "flows[0].ports", /names no port/, /every port/);
  });

  it("a port that the destination does not serve, and one it serves under another protocol", () => {
    refused(
      withFlows(because("frontend", "backend-api", tcp(3001))),
      "flows[0].ports[0]",
      /does not serve/,
      /TCP 3000, UDP 9000/,
    );
    refused(withFlows(because("frontend", "backend-api", tcp(9000))), "flows[0].ports[0]", /does not serve/);
    refused(
      withFlows(because("frontend", "backend-api", port("grpc"))),
      "flows[0].ports[0].name",
      /not the name/,
      /http/,
    );
    refused(withFlows(because("frontend", internet(), port("http"))), "flows[0].ports[0].name", /no workload/);
  });

  it("tiers that depend on each other in a circle", () => {
    const platform = {
      certManager: { dependsOn: ["external-secrets"] },
      externalSecrets: { dependsOn: ["vault"] },
      services: [{ name: "vault", dependsOn: ["cert-manager"] }],
    };
    const [problem, ...rest] = problemsOf({ ...base, platform });
    assert.deepEqual(rest, []);
    assert.match(problem?.path ?? "", /^platform\..*dependsOn$/);
    assert.match(problem?.message ?? "", /cert-manager → external-secrets → vault → cert-manager/);
  });

  it("a service that depends on itself, and one that depends on nothing declared", () => {
    refused(
      { ...base, platform: { certManager: { dependsOn: ["cert-manager"] } } },
      "platform.certManager.dependsOn",
      /cycle/,
    );
    refused(
      { ...base, platform: { certManager: { dependsOn: ["vault"] } } },
      "platform.certManager.dependsOn[0]",
      /not declared/,
    );
  });

  it("two workloads with one selector in a namespace", () => {
    const workloads = [...(base.workloads ?? []), workload("shop/web", { labels: { app: "frontend" } })];
    refused({ ...base, workloads }, "workloads[3].labels", /same pods as shop\/frontend \(workloads\[0\]\)/);
  });

  it("a workload whose labels select the pods of another one too", () => {
    const workloads = [...(base.workloads ?? []), workload("shop/web", { labels: { app: "frontend", part: "edge" } })];
    refused({ ...base, workloads }, "workloads[3].labels", /same pods/);
  });

  it("S0-12 equal labels under different service accounts only where the dialect does not know accounts", () => {
    const pair = ["one", "two"].map((name) =>
      workload(`shop/${name}`, { labels: { app: "same" }, serviceAccount: name }),
    );
    assert.ok(plan({ ...base, workloads: pair }));
    refused({ ...base, dialect: Dialect.Kubernetes, workloads: pair }, "workloads[1].labels", /same pods/);
  });

  for (const [pattern, message] of [
    ["https://api.example.com", /URL/],
    ["api.example.com:443", /URL or has a port/],
    ["10.0.0.1", /is an address/],
    ["api..example.com", /empty label/],
    [".example.com", /empty label/],
    ["bücher.example.com", /characters/],
    [`${"a".repeat(64)}.example.com`, /longer/],
    ["-api.example.com", /hyphen/],
    ["localhost", /single label/],
    ["*", /every DNS name/],
    ["*.com", /top-level/],
    ["example.*", /last label/],
    ["api.**.example.com", /\*\*/],
    ["db.shop.svc.cluster.local", /can match nothing/],
    ["*.shop.svc", /can match nothing/],
    ["metadata.google.internal", /metadata/],
  ] as const) {
    it(`the FQDN pattern ${pattern.slice(0, 30)}`, () => {
      refused(withFlows(because("frontend", fqdn(pattern), tcp(443))), "flows[0].to.fqdn", message);
    });
  }

  for (const pattern of [
    "api.example.com",
    "*.example.com",
    "**.example.com",
    "api-*.example.com",
    "xn--bcher-kva.example",
  ]) {
    it(`nothing about the FQDN ${pattern}`, () => {
      assert.ok(plan({ ...base, flows: [because("frontend", fqdn(pattern), tcp(443))] }));
    });
  }

  it("an empty reason and an empty owner", () => {
    const flows = [{ ...because("frontend", "worker", tcp(80)), reason: "  ", owner: "" }];
    assert.deepEqual(
      problemsOf(withFlows(...flows)).map(({ path }) => path),
      ["flows[0].reason", "flows[0].owner"],
    );
  });

  it("a flow that repeats another", () => {
    const flows = [because("frontend", "worker", tcp(80), tcp(81)), because("shop/frontend", "worker", tcp(81))];
    refused(withFlows(...flows), "flows[1]", /repeats flows\[0\].*TCP 81/);
  });

  it("a DNS name as a source, a flow that touches no pod, a peer that is nothing or two things at once", () => {
    refused(withFlows(because(fqdn("api.example.com"), "frontend", tcp(3000))), "flows[0].from.fqdn", /as a source/);
    refused(withFlows(because(internet(), cidr("192.0.2.0/24"), tcp(80))), "flows[0]", /no pod/);
    refused(withFlows({ ...because("frontend", "worker", tcp(80)), to: {} }), "flows[0].to", /no peer/);
    const both = { workload: "worker", entity: Entity.Internet };
    refused(withFlows({ ...because("frontend", "worker", tcp(80)), to: both }), "flows[0].to", /several/);
  });

  it("a namespace that is not declared, declared twice, or in two tiers", () => {
    refused({ ...base, workloads: [workload("nowhere/web")] }, "workloads[0].namespace", /not declared/);
    refused({ ...base, namespaces: [...(base.namespaces ?? []), namespace("shop")] }, "namespaces[2].name", /already/);
    const namespaces = [...(base.namespaces ?? []), { name: "kube-system", tier: Tier.Applications }];
    refused({ ...base, namespaces }, "namespaces[2].tier", /exemptNamespaces/);
  });

  it("names and labels that Kubernetes would not take", () => {
    refused({ ...base, workloads: [workload("shop/Front_End")] }, "workloads[0].name", /DNS label/);
    refused({ ...base, workloads: [workload("frontend")] }, "workloads[0].namespace", /not a string/);
    const labels = { "app/x/y": "a b" };
    assert.equal(problemsOf({ ...base, workloads: [workload("shop/web", { labels })] }).length, 2);
    refused({ ...base, workloads: [workload("shop/web", { labels: {} })] }, "workloads[0].labels", /every pod/);
  });

  it("a field it does not know, wherever it stands", () => {
    refused({ ...base, flow: [] }, "flow", /not a known field/, /flows/);
    const to = { cidr: "10.0.0.0/8", exept: ["10.1.0.0/16"] };
    refused(
      withFlows({ ...because("frontend", "worker", tcp(80)), to }),
      "flows[0].to.exept",
      /not a known field/,
      /except/,
    );
  });

  it("a Pulumi output where a literal is needed", () => {
    const output = { __pulumiOutput: true };
    const workloads = [{ name: "web", namespace: output }];
    const [problem] = problemsOf({ ...base, workloads });
    assert.deepEqual([problem?.path, problem?.kind], ["workloads[0].namespace", "output"]);
    assert.match(problem?.fix ?? "", /literal/);
  });

  it("everything at once, and never shows a value", () => {
    const secret = "s3cr3t-p4ssw0rd";
    const problems = problemsOf({
      namespaces: [{ name: `${secret}!` }],
      workloads: [{ name: 1, namespace: secret, labels: { app: `${secret} x` } }],
      flows: [
        { from: { cidr: secret }, to: { fqdn: `https://${secret}` }, ports: [{ port: secret }], reason: "", owner: "" },
      ],
    });
    assert.ok(problems.length >= 7, String(problems.length));
    assert.ok(!JSON.stringify(problems).includes(secret));
    assert.ok(problems.every(({ path, kind, fix }) => path !== "" && kind !== "" && fix !== ""));
  });

  it("what the dialect cannot say, when the declaration asks for refusal", () => {
    const flows = [because("frontend", fqdn("api.example.com"), tcp(443))];
    const kubernetes = { ...base, dialect: Dialect.Kubernetes, flows };
    assert.deepEqual(
      plan(kubernetes).warnings.map(({ code }) => code),
      ["metadata-deny-not-final", "undeclared-namespaces-uncovered", "fqdn-unsupported"],
    );
    refused({ ...kubernetes, unsupported: UnsupportedHandling.Refuse }, "flows[0]", /no DNS names/, /cidr/);
  });

  it("a tenant's workload that others let in by labels alone (seed defect B03)", () => {
    const tenants = (exception: FlowDeclaration): unknown => ({
      namespaces: [namespace("acme"), namespace("globex"), namespace("shared", { tier: Tier.SharedServices })],
      workloads: [
        workload("acme/web"),
        workload("acme/signed", { serviceAccount: "web", labels: { app: "signed" } }),
        workload("globex/api"),
        workload("shared/queue"),
      ],
      tenants: [
        { name: "acme", namespaces: ["acme"] },
        { name: "globex", namespaces: ["globex"], exceptions: [{ flow: exception, expires: "2099-12-31" }] },
      ],
    });
    const spoofable = because("acme/web", "globex/api", tcp(80));
    refused(tenants(spoofable), "tenants[1].exceptions[0].flow.from", /labels alone.*acme/, /service account/);
    const good = because("acme/signed", "globex/api", tcp(80));
    assert.ok(plan(tenants(good) as ClusterSecurityDeclaration));
    assert.ok(plan(tenants(because({ namespace: "acme" }, "globex/api", tcp(80))) as ClusterSecurityDeclaration));
    const toShared = { ...(tenants(good) as object), flows: [because("acme/web", "shared/queue", tcp(80))] };
    refused(toShared, "flows[0].from", /labels alone/);
    const within = { ...(tenants(good) as object), flows: [because("acme/web", "acme/signed", tcp(80))] };
    assert.ok(plan(within as ClusterSecurityDeclaration));
  });

  it("S0-12 equal labels under different accounts in every dialect without accounts", () => {
    const pair = ["one", "two"].map((name) =>
      workload(`shop/${name}`, { labels: { app: "same" }, serviceAccount: name }),
    );
    for (const dialect of Object.values(Dialect)) {
      const declaration = { ...base, dialect, workloads: pair };
      if (dialect === Dialect.Cilium || dialect === Dialect.Calico) assert.ok(plan(declaration));
      else refused(declaration, "workloads[1].labels", /same pods/);
    }
  });

  it("S2-19 a critical path that the dialect would cut, whatever it does with the rest", () => {
    const webhook = { name: "gate", workloads: [workload("shop/gate")], webhooks: [{ workload: "gate", port: 8443 }] };
    const api = { ...base, platform: { services: [webhook] } };
    const critical = { ...because("frontend", fqdn("api.example.com"), tcp(443)), critical: true };
    for (const dialect of [Dialect.Kubernetes, Dialect.Calico, Dialect.ClusterNetworkPolicy]) {
      const warned = { unsupported: UnsupportedHandling.Warn, dialect };
      refused({ ...api, ...warned }, "platform.services[0].webhooks[0]", /marked critical/, /apiServer\.cidrs/);
      assert.ok(plan({ ...api, ...warned, cluster: { apiServer: { cidrs: ["10.96.0.1/32"] } } }));
      refused({ ...base, ...warned, flows: [critical] }, "flows[0]", /marked critical/, /cidr/);
      assert.ok(plan({ ...base, ...warned, flows: [{ ...critical, critical: false }] }));
    }
    assert.ok(plan({ ...api, dialect: Dialect.Cilium }));
    assert.ok(plan({ ...base, flows: [critical] }));
  });

  it("a webhook of a workload that nothing outside may reach: the API server may lie outside", () => {
    const gate = workload("shop/gate", { denyExternal: true });
    const service = { name: "gate", workloads: [gate], webhooks: [{ workload: "gate", port: 8443 }] };
    refused({ ...base, platform: { services: [service] } }, "platform.services[0].webhooks[0]", /API server/, /Remove/);
  });

  it("a credential service without reason, owner or end, twice, or for a pod that reaches them all", () => {
    const wanted = { service: MetadataService.EksPodIdentity, reason: "reads its bucket", owner: "data" };
    const withAccess = (metadataAccess: unknown, more: object = {}): unknown => ({
      ...base,
      workloads: [{ ...workload("shop/web"), metadataAccess, ...more }],
    });
    assert.ok(plan(withAccess([wanted]) as ClusterSecurityDeclaration));
    const at = "workloads[0].metadataAccess";
    refused(withAccess([{ ...wanted, reason: " " }]), `${at}[0].reason`, /not a string/);
    refused(withAccess([{ ...wanted, owner: undefined }]), `${at}[0].owner`, /not a string/);
    refused(withAccess([{ ...wanted, service: "imds" }]), `${at}[0].service`, /known values/, /eks-pod-identity/);
    refused(withAccess([{ reason: "r", owner: "o" }]), `${at}[0]`, /names no service/, /eks-pod-identity/);
    refused(withAccess([{ ...wanted, expires: "2027-02-30" }]), `${at}[0].expires`, /not a date/);
    refused(withAccess([wanted, wanted]), `${at}[1].service`, /twice/);
    refused(withAccess([wanted], { hostNetwork: true }), at, /no effect/);
  });

  it("facts about DNS and audits that contradict each other", () => {
    refused({ ...base, cluster: { dns: { nodeLocalCache: "dns.local" } } }, "cluster.dns.nodeLocalCache", /address/);
    refused({ ...base, cluster: { dns: { serviceAddress: "10.96.0.10" } } }, "cluster.dns.serviceAddress", /NodeLocal/);
    refused({ ...base, cluster: { dns: { provider: "bind" } } }, "cluster.dns.provider", /known values/, /openshift/);
    const audits = { ...base, dialect: Dialect.Calico, cluster: { enforcerAudits: true } };
    refused(audits, "cluster.enforcerAudits", /calico/, /staged/);
    refused({ ...base, mode: "off" }, "mode", /known values/, /audit/);
  });

  it("garbage of any shape without crashing", () => {
    for (const garbage of [
      null,
      undefined,
      3,
      "x",
      [],
      { flows: 3 },
      { flows: [null] },
      { workloads: [[]] },
      { platform: [] },
    ]) {
      assert.ok(problemsOf(garbage).length > 0, JSON.stringify(garbage));
    }
  });
});
