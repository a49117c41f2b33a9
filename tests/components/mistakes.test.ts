/** Mistakes that users of Pulumi make, and what they read: the path, what is wrong, what to do instead. */
import assert from "node:assert/strict";
import * as pulumi from "@pulumi/pulumi";
import {
  ClusterSecurity,
  EgressPolicy,
  EnforcementCanary,
  CiliumCni,
  IstioMesh,
  ServiceFlows,
  Tenant,
  TieredPolicies,
  cidr,
  flow,
  fqdn,
  namespace,
  tcp,
  workload,
} from "../../sdk/index";
import { register } from "./monitor";

class Elsewhere extends pulumi.ProviderResource {
  constructor() {
    super("aws", "elsewhere", {});
  }
}

const shop = {
  namespaces: [namespace("shop")],
  workloads: [workload("shop/web"), workload("shop/db", { ports: [tcp(5432)] })],
};

/** What a program that is not typed may pass. */
const declare = (args: unknown, opts?: pulumi.ComponentResourceOptions) => (): unknown =>
  new ClusterSecurity("s", args as never, opts);
const flows = (...some: unknown[]): (() => unknown) => declare({ ...shop, flows: some });
const webToDb = {
  from: { workload: "web" },
  to: { workload: "db" },
  ports: [tcp(5432)],
  reason: "pages",
  owner: "web",
};
const because = { reason: "pages", owner: "web" };
const secret = "hunter2-3c9f";

type Mistake = readonly [title: string, make: () => unknown, ...lines: readonly string[]];

const literal =
  "Pass the literal: names and lists make the shape of the policies, which is known before anything is deployed.";
const peerKinds = "Give exactly one of workload, namespace, cidr, fqdn, entity.";

const mistakes: readonly Mistake[] = [
  [
    "no arguments at all",
    declare(undefined),
    "args: is not an object (found: missing). Pass the declaration as an object, as the second argument.",
  ],
  [
    "a promise of the declaration",
    () => new ServiceFlows("s", Promise.resolve(shop) as never),
    "args: is not an object (found: object). Pass the declaration as an object, as the second argument.",
  ],
  [
    "an output of the declaration",
    () => new TieredPolicies("s", pulumi.output(shop) as never),
    "args: is not an object (found: output). Pass the declaration as an object, as the second argument.",
  ],
  [
    "a map where a list is wanted",
    declare({ ...shop, flows: { web: "db" } }),
    "flows: is not a list (found: object). Give a list.",
  ],
  [
    "an output where a list is wanted",
    declare({ ...shop, flows: pulumi.output([]) }),
    `flows: is not a list (found: output). ${literal}`,
  ],
  [
    "the name of a namespace alone",
    declare({ namespaces: ["shop"] }),
    'namespaces[0]: is not a namespace (found: string). Write it as namespace("shop").',
  ],
  [
    "a namespace twice",
    declare({ namespaces: [namespace("shop"), namespace("shop")] }),
    "namespaces[1].name: is declared at namespaces[0] already (found: string). Declare each namespace once.",
  ],
  [
    "a workload in a namespace that is not declared",
    declare({ ...shop, workloads: [workload("shp/web")] }),
    "workloads[0].namespace: is a namespace that is not declared (found: string). Declare it in namespaces, with its tier.",
  ],
  [
    "an upper-case name",
    declare({ ...shop, workloads: [workload("shop/Web")] }),
    "workloads[0].name: is not a DNS label (found: string). Use lower-case letters, digits and hyphens, at most 63.",
  ],
  [
    "a secret as a name",
    declare({ ...shop, workloads: [{ namespace: "shop", name: pulumi.secret(secret) }] }),
    `workloads[0].name: is not a string (found: output). ${literal}`,
  ],
  [
    "a misspelt field of a workload",
    declare({ namespaces: shop.namespaces, workloads: [{ namespace: "shop", name: "web", port: 80 }] }),
    "workloads[0].port: is not a known field (found: number). Known here: name, namespace, labels, serviceAccount, ports, hostNetwork, denyExternal, metadataAccess.",
  ],
  [
    "a misspelt argument",
    declare({ ...shop, flow: [] }),
    /^flow: is not a known field \(found: list\)\. Known here: .*flows.*\.$/.source,
  ],
  [
    "a misspelt choice",
    declare({ ...shop, dialect: "cillium" }),
    "dialect: is not one of the known values (found: string). Use cilium, kubernetes, calico, cluster-network-policy.",
  ],
  [
    "an unknown workload",
    flows({ ...webToDb, to: { workload: "dbb" } }),
    "flows[0].to.workload: names a workload that is not declared (found: string). Declare it in workloads. Did you mean shop/db?",
  ],
  [
    "two problems at once",
    flows({ ...webToDb, to: { workload: "postgres" }, ports: [tcp(70_000)] }),
    "flows[0].to.workload: names a workload that is not declared (found: string). Declare it in workloads.",
    "flows[0].ports[0].port: is not a port number (found: number). Use a whole number from 1 to 65535.",
  ],
  [
    "a name where a peer is wanted",
    flows({ ...webToDb, from: "web" }),
    "flows[0].from: is a name without what it names (found: string). Write it as { workload: … }, { cidr: … } or another.",
  ],
  ["a flow to nobody", flows({ ...webToDb, to: {} }), `flows[0].to: names no peer (found: object). ${peerKinds}`],
  [
    "a flow whose sentence does not end",
    flows(flow("web").to("db").on(tcp(5432))),
    'flows[0]: is an unfinished flow (found: object). End it with .because("…").ownedBy("…"), after .to(…) and .on(…).',
  ],
  [
    "a port as a string",
    flows({ ...webToDb, ports: ["5432"] }),
    'flows[0].ports[0]: is not a port (found: string). Write it as tcp(3000) or port("http").',
  ],
  [
    "a flow without a reason",
    flows({ ...webToDb, reason: "" }),
    "flows[0].reason: is empty (found: empty string). Say why the flow exists.",
  ],
  [
    "a range that is none",
    flows(flow("web").to(cidr("10.0.0/8")).on(tcp(443)).because("x").ownedBy("y")),
    'flows[0].to.cidr: is not an IPv4 or IPv6 address range (found: string). Write it as "198.51.100.0/24" or "2001:db8::/32".',
  ],
  [
    "a metadata endpoint",
    flows(flow("web").to(cidr("169.254.169.254/32")).on(tcp(80)).because("x").ownedBy("y")),
    "flows[0].to.cidr: is a metadata endpoint (found: string). Metadata endpoints stay closed. Give the workload credentials of its own, such as workload identity.",
  ],
  [
    "a URL as a host",
    flows(flow("web").to(fqdn("https://api.example.com/")).on(tcp(443)).because("x").ownedBy("y")),
    "flows[0].to.fqdn: can match no DNS name: it looks like a URL or has a port (found: string). Write the host name alone.",
  ],
  [
    "a provider of another cloud",
    () => declare(shop, { provider: new Elsewhere() })(),
    "opts.provider: is not a Kubernetes provider (found: provider of aws). Pass a kubernetes.Provider of the cluster, or leave it out for the default one.",
  ],
  [
    "a string where true or false is wanted",
    declare({ ...shop, liveCheck: "no" }),
    "liveCheck: is not true or false (found: string). Give true or false.",
  ],
  [
    "the name of a CNI alone",
    declare({ ...shop, cni: "cilium" }),
    "cni: is not an object (found: string). Give an object.",
  ],
  [
    "a misspelt option of the CNI, which would install a second one",
    declare({ ...shop, cni: { exsiting: true } }),
    /^cni\.exsiting: is not a known field \(found: boolean\)\. Known here: kind, existing, .*\.$/.source,
  ],
  [
    "a misspelt option of the CNI on its own",
    () => new CiliumCni("s", { exsiting: true } as never),
    /^exsiting: is not a known field \(found: boolean\)\. Known here: existing, .*\.$/.source,
  ],
  [
    "an output as the version of a chart",
    () => new IstioMesh("s", { version: pulumi.output("1.30.3") as never }),
    `version: is not a string (found: output). ${literal}`,
  ],
  [
    "consent that is no object",
    declare({ ...shop, defaultDeny: true }),
    "defaultDeny: is not an object (found: boolean). Give an object.",
  ],
  [
    "a misspelt list of hosts",
    () => new EgressPolicy("s", { namespace: "shop", host: "api.example.com" } as never),
    "host: is not a known field (found: string). Known here: cluster, dialect, hosts, liveCheck, namespace, policyName, ranges, reviewBy, unsupported, workloads.",
  ],
  [
    "hosts of no namespace",
    () => new EgressPolicy("s", { hosts: [{ host: "api.example.com", ...because }] } as never),
    "namespace: is not a string (found: missing). Give a string.",
  ],
  [
    "no tenant",
    () => new Tenant("s", { namespaces: [namespace("shop")] } as never),
    "tenant.name: is not a string (found: missing). Give a string.",
  ],
  [
    "a namespace of the canary that is none",
    () => new EnforcementCanary("s", { namespace: "A B" }),
    "namespace: is not a namespace name (found: string). Use lower-case letters, digits and hyphens, at most 63.",
  ],
];

describe("mistakes of a Pulumi user", () => {
  for (const [title, make, ...lines] of mistakes) {
    it(`${title}: where, what is wrong, what to do; nothing registered, no stack trace`, async () => {
      let refusal: unknown;
      const all = await register(() => {
        try {
          make();
        } catch (error) {
          refusal = error;
        }
      });
      assert.deepEqual(
        all.filter(({ type }) => !type.startsWith("pulumi:providers:")),
        [],
      );
      // a Node.js program ends with the message of a RunError and nothing else (pulumi: cmd/run/run.ts)
      assert.ok(pulumi.RunError.isInstance(refusal), String(refusal));
      assert.ok(pulumi.InputPropertiesError.isInstance(refusal));
      const [head = "", ...told] = (refusal as Error).message.split("\n");
      const count = lines.length === 1 ? "1 problem" : `${lines.length} problems`;
      assert.equal(head, `The declaration has ${count}; nothing was registered.`);
      assert.equal(told.length, lines.length, told.join("\n"));
      for (const [index, line] of lines.entries()) {
        const found = told[index]?.slice(2) ?? "";
        if (line.startsWith("^")) assert.match(found, new RegExp(line));
        else assert.equal(found, line);
      }
      assert.ok(!told.join("").includes(secret));
    });
  }
});
