import assert from "node:assert/strict";
import { metadataEndpoints } from "../../sdk/reachability";
import { assertShowable, findingsOf, violationsOf } from "./support";

const id = "metadata-endpoints-closed";

const workload = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: api, namespace: shop }
spec:
  selector: { matchLabels: { app: api } }
  template:
    metadata: { labels: { app: api } }
    spec: { containers: [ { name: api } ] }
`;

const netpol = (name: string, spec: string): string => `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: ${name}, namespace: shop }
spec: ${spec}
`;
const deny = netpol("default-deny-all", "{ podSelector: {}, policyTypes: [Ingress, Egress] }");
const egress = (rule: string, selector = "{}"): string =>
  netpol("allow-world", `{ podSelector: ${selector}, policyTypes: [Egress], egress: [ ${rule} ] }`);
const ccnp = (name: string, spec: string): string => `
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: ${name} }
spec: ${spec}
`;
const cilium = (rule: string): string => ccnp("allow", `{ endpointSelector: {}, egress: [ ${rule} ] }`);

/** Every address of policy semantics 3f, and the IPv6 ways to the IPv4 ones, as one list of exceptions. */
const privateV4 =
  "[ 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, 168.63.129.16/32, 192.0.0.192/32 ]";
const privateV6 = `[ "fc00::/7", "fe80::/10", "::ffff:0:0/96", "64:ff9b::/96", "2002::/16" ]`;
const careful = `{ to: [ { ipBlock: { cidr: 0.0.0.0/0, except: ${privateV4} } }, { ipBlock: { cidr: "::/0", except: ${privateV6} } } ], ports: [ { port: 443 } ] }`;
const metadataCidrs = metadataEndpoints
  .map(({ address, family }) => `"${address}/${family === 4 ? 32 : 128}"`)
  .join(", ");
const explicitDeny = ccnp(
  "deny-metadata",
  `{ endpointSelector: {}, enableDefaultDeny: { ingress: false, egress: false }, egressDeny: [ { toCIDR: [ ${metadataCidrs} ] } ] }`,
);

const good: [string, string][] = [
  ["egress is closed", workload + deny],
  ["the world with every private and special range left out", workload + deny + egress(careful)],
  ["a rule that names other addresses", workload + deny + egress("{ to: [ { ipBlock: { cidr: 52.94.0.0/16 } } ] }")],
  [
    "all of egress is denied explicitly before it is allowed",
    workload + explicitDeny + cilium("{ toEntities: [ all ] }"),
  ],
  ["the explicit deny alone, which isolates nothing", workload + explicitDeny],
  ["pods of the cluster only", workload + cilium("{ toEndpoints: [ {} ] }")],
];

const bad: [string, string, RegExp][] = [
  ["no policy", workload, /169\.254\.169\.254 .* every protocol and port/s],
  ["ingress closed, egress forgotten", workload + netpol("in", "{ podSelector: {} }"), /169\.254\.169\.254/],
  ["the world", workload + deny + egress("{ to: [ { ipBlock: { cidr: 0.0.0.0/0 } } ] }"), /169\.254\.169\.254/],
  [
    "two halves of the world",
    workload + deny + egress("{ to: [ { ipBlock: { cidr: 0.0.0.0/1 } }, { ipBlock: { cidr: 128.0.0.0/1 } } ] }"),
    /169\.254\.169\.254/,
  ],
  [
    "link-local as a whole",
    workload + deny + egress("{ to: [ { ipBlock: { cidr: 169.254.0.0/16 } } ] }"),
    /169\.254\.169\.254/,
  ],
  [
    "168.0.0.0/6 holds it too",
    workload + deny + egress("{ to: [ { ipBlock: { cidr: 168.0.0.0/6 } } ] }"),
    /168\.63\.129\.16|169\.254/,
  ],
  [
    "only the AWS address left out",
    workload + deny + egress("{ to: [ { ipBlock: { cidr: 0.0.0.0/0, except: [ 169.254.169.254/32 ] } } ] }"),
    /100\.100\.100\.200|168\.63\.129\.16/,
  ],
  [
    "IPv6 forgotten",
    workload +
      deny +
      egress(`{ to: [ { ipBlock: { cidr: 0.0.0.0/0, except: ${privateV4} } }, { ipBlock: { cidr: "::/0" } } ] }`),
    /fd00:ec2::254/,
  ],
  [
    "IPv6 forms of IPv4 addresses forgotten",
    workload + deny + egress(`{ to: [ { ipBlock: { cidr: "::/0", except: [ "fc00::/7", "fe80::/10" ] } } ] }`),
    /a form of 169\.254\.169\.254/,
  ],
  [
    "an exception that another policy takes back",
    workload +
      deny +
      egress(careful) +
      netpol(
        "again",
        "{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { ipBlock: { cidr: 169.254.169.254/32 } } ] } ] }",
      ),
    /169\.254\.169\.254/,
  ],
  ["an empty peer list, which is everybody", workload + deny + egress("{ to: [], ports: [ { port: 80 } ] }"), /TCP 80/],
  ["a port without peers", workload + deny + egress("{ ports: [ { port: 80 } ] }"), /TCP 80/],
  [
    "a port nobody thought of: the address counts, not port 80",
    workload + deny + egress("{ to: [ { ipBlock: { cidr: 0.0.0.0/0 } } ], ports: [ { protocol: UDP, port: 5000 } ] }"),
    /UDP 5000/,
  ],
  ["toEntities world", workload + cilium("{ toEntities: [ world ] }"), /169\.254\.169\.254/],
  ["toEntities all", workload + cilium("{ toEntities: [ all ] }"), /169\.254\.169\.254/],
  [
    "toPorts without peers in Cilium",
    workload + cilium(`{ toPorts: [ { ports: [ { port: "80", protocol: TCP } ] } ] }`),
    /TCP 80/,
  ],
  [
    "two Cilium policies: one excepts it, one allows the world",
    workload +
      cilium("{ toCIDRSet: [ { cidr: 0.0.0.0/0, except: [ 169.254.0.0/16 ] } ] }") +
      ccnp("more", "{ endpointSelector: {}, egress: [ { toEntities: [ world ] } ] }"),
    /169\.254\.169\.254/,
  ],
];

describe("finding: metadata-endpoints-closed", () => {
  for (const [title, yaml] of good) {
    it(`S1-13 closed: ${title}`, () => {
      const expected = title.includes("isolates nothing") || title.includes("explicitly") ? "cilium" : undefined;
      const found = violationsOf(id, yaml, expected === undefined ? {} : { enforcer: expected });
      assert.deepEqual(
        found.map((finding) => finding.message),
        [],
      );
    });
  }

  for (const [title, yaml, message] of bad) {
    it(`S1-13 open: ${title}`, () => {
      const found = violationsOf(id, yaml);
      assert.equal(found.length, 1, JSON.stringify(found.map((finding) => finding.message)));
      const finding = found[0];
      assert.ok(finding !== undefined);
      assertShowable(finding);
      assert.match(finding.message, message);
      assert.match(finding.message, /^Any pod in namespace shop, among them Deployment shop\/api, can reach/);
      assert.equal(finding.certainty, "definite");
    });
  }

  it("knows every address of every cloud: each one alone, allowed, is a finding", () => {
    for (const { address, family } of metadataEndpoints) {
      const yaml =
        workload + deny + egress(`{ to: [ { ipBlock: { cidr: "${address}/${family === 4 ? 32 : 128}" } } ] }`);
      const found = violationsOf(id, yaml);
      assert.equal(found.length, 1, address);
      assert.ok(found[0]?.message.includes(address), found[0]?.message);
    }
  });

  it("finds the one workload that a rule opens, and leaves the others out", () => {
    const other = workload.replaceAll("api", "web");
    const yaml = `${workload}---${other}${deny}${egress("{}", "{ matchLabels: { app: api } }")}`;
    const [finding, ...rest] = violationsOf(id, yaml);
    assert.equal(rest.length, 0);
    assert.equal(finding?.subject.name, "api");
    assert.match(finding?.message ?? "", /^Deployment shop\/api can reach/);
    assert.ok(finding?.because[0]?.startsWith("NetworkPolicy shop/allow-world, spec.egress[0] allows it"));
  });

  it("a pod on the host network is exempt and reported", () => {
    const yaml = workload.replace("spec: { containers", "spec: { hostNetwork: true, containers") + deny;
    assert.deepEqual(violationsOf(id, yaml), []);
    const exempt = findingsOf(id, yaml).filter((finding) => finding.exempt);
    assert.ok(exempt.some((finding) => /Deployment shop\/api is on the host network/.test(finding.message)));
  });

  it("tier 0 is exempt and reported", () => {
    const yaml = workload.replaceAll("shop", "kube-system");
    assert.deepEqual(violationsOf(id, yaml), []);
    assert.ok(
      findingsOf(id, yaml).some((finding) => finding.exempt === true && /kube-system is tier 0/.test(finding.message)),
    );
  });

  it("Azure's DNS may stay open on port 53 for the cluster's DNS pods, and for nobody else", () => {
    const dns = (namespace: string, port: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: { name: coredns, namespace: ${namespace} }
spec:
  selector: { matchLabels: { k8s-app: kube-dns } }
  template: { metadata: { labels: { k8s-app: kube-dns } }, spec: { containers: [ { name: dns } ] } }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny, namespace: ${namespace} }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: upstream, namespace: ${namespace} }
spec:
  podSelector: { matchLabels: { k8s-app: kube-dns } }
  policyTypes: [Egress]
  egress: [ { to: [ { ipBlock: { cidr: 168.63.129.16/32 } } ], ports: [ { protocol: UDP, port: ${port} }, { protocol: TCP, port: ${port} } ] } ]
`;
    const options = { exemptNamespaces: [] };
    assert.deepEqual(
      violationsOf(id, dns("kube-system", 53), options).map((finding) => finding.message),
      [],
    );
    assert.equal(violationsOf(id, dns("kube-system", 80), options).length, 1);
    assert.equal(violationsOf(id, dns("shop", 53), options).length, 1);
  });
});
