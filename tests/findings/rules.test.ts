import assert from "node:assert/strict";
import { findings as seeds } from "./seeds";
import { rules, type FindingOptions } from "../../sdk/findings";
import { assertShowable, violationsOf } from "./support";

const pod = (name: string, home: string, spec = "{ containers: [ { name: x } ] }"): string => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${home}, labels: { app: ${name} } }
spec: ${spec}
`;
const object = (kind: string, name: string, spec: string, home = ""): string => `
---
apiVersion: ${kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2"}
kind: ${kind}
metadata: { name: ${name}${home === "" ? "" : `, namespace: ${home}`} }
spec: ${spec}
`;
const netpol = (name: string, spec: string, home = "shop"): string => object("NetworkPolicy", name, spec, home);
const cnp = (name: string, spec: string): string => object("CiliumNetworkPolicy", name, spec, "shop");
const ccnp = (name: string, spec: string): string => object("CiliumClusterwideNetworkPolicy", name, spec);
const deny = netpol("default-deny-all", "{ podSelector: {}, policyTypes: [Ingress, Egress] }");
const config = (data: string): string => `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: cilium-config, namespace: kube-system }
data: ${data}
`;
const binding = (subject: string, role = "cluster-admin"): string => `
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: b }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ${role} }
subjects: [ ${subject} ]
`;

interface Case {
  readonly good: readonly string[];
  /** Documents, and what the message or a reason has to say. */
  readonly bad: readonly (readonly [string, RegExp])[];
  readonly rows?: string;
  readonly options?: FindingOptions;
}

const kubeDns = `{ namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: kube-system } }, podSelector: { matchLabels: { k8s-app: kube-dns } } }`;
const allowDns = (protocols = "{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }", to = kubeDns): string =>
  netpol(
    "allow-dns",
    `{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ ${to} ], ports: [ ${protocols} ] } ] }`,
  );
const ciliumDns = (dns: string): string =>
  `{ endpointSelector: {}, egress: [ { toEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system, "k8s:k8s-app": kube-dns } } ], toPorts: [ { ports: [ { port: "53", protocol: ANY } ]${dns} } ] } ] }`;
const names = (pattern: string): string =>
  cnp(
    "names",
    `{ endpointSelector: { matchLabels: { app: api } }, egress: [ { toFQDNs: [ ${pattern} ], toPorts: [ { ports: [ { port: "443" } ] } ] } ] }`,
  );
const selectTier0 = (extra: string): string =>
  ccnp(
    "metrics",
    `{ endpointSelector: {}, ${extra}ingress: [ { fromEndpoints: [ { matchLabels: { "k8s:io.kubernetes.pod.namespace": observability } } ], toPorts: [ { ports: [ { port: "9090" } ] } ] } ] }`,
  );

const toDbSpec =
  "{ podSelector: { matchLabels: { app: db } }, ingress: [ { from: [ { podSelector: { matchLabels: { app: api } } } ], ports: [ { port: 5432 } ] } ] }";
const toDb = netpol("allow-to-db", toDbSpec);
const fromApi = netpol(
  "allow-from-api",
  "{ podSelector: { matchLabels: { app: api } }, policyTypes: [Egress], egress: [ { to: [ { podSelector: { matchLabels: { app: db } } } ], ports: [ { port: 5432 } ] } ] }",
);

const cases: Readonly<Record<string, Case>> = {
  "enforcement-off": {
    rows: "S3-21",
    good: [config("{ enable-policy: default }"), config("{ enable-policy: always, policy-audit-mode: 'false' }"), deny],
    bad: [
      [config("{ enable-policy: never }"), /policyEnforcementMode is never/],
      [config("{ policy-audit-mode: 'true' }"), /policyAuditMode is on/],
    ],
  },
  "tier0-restricted": {
    rows: "S3-04",
    good: [
      pod("dns", "kube-system") + selectTier0("enableDefaultDeny: { ingress: false }, "),
      pod("dns", "kube-system") +
        ccnp(
          "deny",
          `{ endpointSelector: { matchExpressions: [ { key: "k8s:io.kubernetes.pod.namespace", operator: NotIn, values: [kube-system] } ] }, ingress: [ {} ], egress: [ {} ] }`,
        ),
      pod("dns", "kube-system") +
        ccnp(
          "metadata",
          `{ endpointSelector: {}, enableDefaultDeny: { egress: false }, egressDeny: [ { toCIDR: [ 169.254.169.254/32 ] } ] }`,
        ),
    ],
    bad: [
      [pod("dns", "kube-system") + selectTier0(""), /closed by default for ingress/],
      [
        pod("dns", "kube-system") + ccnp("deny-all", "{ endpointSelector: {}, ingress: [ {} ], egress: [ {} ] }"),
        /closed by default for/,
      ],
      [
        pod("x", "kube-system") +
          ccnp(
            "dns",
            `{ endpointSelector: { matchLabels: { "k8s:k8s-app": kube-dns } }, ingress: [ { fromEndpoints: [ {} ] } ] }`,
          ),
        /selects them and closes ingress/,
      ],
    ],
  },
  "dns-cut": {
    rows: "S3-24",
    good: [
      pod("api", "shop") + deny + allowDns(),
      pod("api", "shop"),
      pod("api", "shop") + deny + allowDns(undefined, "{ ipBlock: { cidr: 169.254.20.10/32 } }"),
    ],
    bad: [
      [pod("api", "shop") + deny, /Pod shop\/api cannot ask the cluster's DNS over UDP and TCP/],
      [pod("api", "shop") + deny + allowDns("{ protocol: UDP, port: 53 }"), /over TCP$/],
      [
        pod("api", "shop") + deny + allowDns(undefined, "{ podSelector: { matchLabels: { k8s-app: kube-dns } } }"),
        /UDP and TCP/,
      ],
    ],
  },
  "half-open-flow": {
    rows: "S3-17",
    good: [
      pod("api", "shop") + pod("db", "shop") + deny + fromApi + toDb,
      pod("api", "shop") + pod("db", "shop") + netpol("db", toDbSpec),
      pod("db", "shop") + deny + toDb,
      pod("api", "shop") + pod("db", "shop") + deny,
    ],
    bad: [
      [
        pod("api", "shop") + pod("db", "shop") + deny + toDb,
        /allow-to-db allows what the other side does not let pass: spec\.ingress\[0\]/,
      ],
      [pod("api", "shop") + pod("db", "shop") + deny + fromApi, /ingress at the other end/],
      [
        pod("api", "shop") + pod("db", "shop") + deny + fromApi.replace("5432", "5433") + toDb,
        /allow-from-api|allow-to-db/,
      ],
    ],
  },
  "internet-exposure": {
    rows: "S4-10",
    good: [
      pod("api", "shop") + deny,
      pod("api", "shop"),
      pod("api", "shop") +
        deny +
        netpol("partner", "{ podSelector: {}, ingress: [ { from: [ { ipBlock: { cidr: 52.94.0.0/16 } } ] } ] }"),
    ],
    bad: [
      [
        pod("api", "shop") +
          deny +
          netpol("open", "{ podSelector: { matchLabels: { app: api } }, ingress: [ { ports: [ { port: 80 } ] } ] }"),
        /The internet can reach Pod shop\/api on TCP 80/,
      ],
      [
        pod("api", "shop") +
          deny +
          netpol("open", `{ podSelector: {}, ingress: [ { from: [ { ipBlock: { cidr: "::/0" } } ] } ] }`),
        /every protocol and port/,
      ],
    ],
  },
  "internet-egress": {
    rows: "S0-08",
    good: [
      pod("api", "shop") + deny + allowDns(),
      pod("api", "shop") +
        cnp("names", `{ endpointSelector: {}, egress: [ { toFQDNs: [ { matchName: api.github.com } ] } ] }`),
    ],
    bad: [
      [
        pod("api", "shop") +
          deny +
          netpol(
            "open",
            "{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { ipBlock: { cidr: 0.0.0.0/0 } } ], ports: [ { port: 443 } ] } ] }",
          ),
        /can reach the internet on TCP 443/,
      ],
    ],
  },
  "fqdn-too-broad": {
    good: [names("{ matchName: api.github.com }"), names("{ matchPattern: '*.letsencrypt.org' }")],
    bad: [
      [names("{ matchPattern: '*' }"), /names that anybody can register/],
      [names("{ matchPattern: '*.nip.io' }"), /spec\.egress\[0\]/],
    ],
  },
  "fqdn-without-dns-proxy": {
    rows: "S3-27",
    good: [
      pod("api", "shop") +
        names("{ matchName: api.github.com }") +
        cnp("dns", ciliumDns(`, rules: { dns: [ { matchPattern: "*" } ] }`)),
      pod("api", "shop") + cnp("dns", ciliumDns("")),
    ],
    bad: [
      [pod("api", "shop") + names("{ matchName: api.github.com }"), /do not ask through the DNS proxy/],
      [
        pod("api", "shop") + names("{ matchName: api.github.com }") + cnp("dns", ciliumDns("")),
        /no address is ever learned/,
      ],
      [
        pod("api", "shop") +
          names("{ matchName: api.github.com }") +
          cnp(
            "dns",
            ciliumDns(`, rules: { dns: [ { matchPattern: "*" } ] }`).replace(
              "endpointSelector: {}",
              "endpointSelector: { matchLabels: { app: web } }",
            ),
          ),
        /do not ask/,
      ],
    ],
  },
  "all-ports-rule": {
    rows: "S1-30",
    good: [
      deny,
      allowDns(),
      cnp("deny", "{ endpointSelector: {}, ingress: [ {} ] }"),
      cnp("d", "{ endpointSelector: {}, egressDeny: [ { toEntities: [ world ] } ] }"),
      ccnp(
        "health",
        `{ endpointSelector: { matchLabels: { "reserved:health": "" } }, ingress: [ { fromEntities: [ remote-node ] } ] }`,
      ),
    ],
    bad: [
      [
        netpol("a", "{ podSelector: {}, ingress: [ { from: [ { podSelector: { matchLabels: { app: web } } } ] } ] }"),
        /opens every port: spec\.ingress\[0\]/,
      ],
      [
        cnp(
          "service-to-service",
          `{ endpointSelector: { matchLabels: { app: frontend } }, ingress: [ { fromEndpoints: [ { matchLabels: { app: api-gateway } } ] } ] }`,
        ),
        /every port/,
      ],
    ],
  },
  "spoofable-peer": {
    good: [
      allowDns(),
      netpol("same", "{ podSelector: {}, ingress: [ { from: [ { podSelector: { matchLabels: { app: web } } } ] } ] }"),
      netpol("any", "{ podSelector: {}, ingress: [ { from: [ { namespaceSelector: {} } ] } ] }"),
      cnp("same", "{ endpointSelector: {}, ingress: [ { fromEndpoints: [ { matchLabels: { app: web } } ] } ] }"),
    ],
    bad: [
      [
        netpol(
          "ingress",
          "{ podSelector: {}, ingress: [ { from: [ { namespaceSelector: { matchLabels: { name: ingress-nginx } } } ] } ] }",
        ),
        /trusts a label that whoever/,
      ],
      [
        netpol(
          "dns",
          "{ podSelector: {}, policyTypes: [Egress], egress: [ { to: [ { namespaceSelector: {}, podSelector: { matchLabels: { k8s-app: kube-dns } } } ] } ] }",
        ),
        /pod labels in any namespace/,
      ],
      [
        ccnp("c", "{ endpointSelector: {}, ingress: [ { fromEndpoints: [ { matchLabels: { app: web } } ] } ] }"),
        /pod labels in any namespace/,
      ],
    ],
  },
  "explicit-default-deny": {
    rows: "S3-18",
    good: [
      ccnp(
        "a",
        "{ endpointSelector: {}, enableDefaultDeny: { ingress: false }, ingress: [ { fromEndpoints: [ {} ] } ] }",
      ),
      cnp("namespaced", "{ endpointSelector: {}, ingress: [ {} ] }"),
    ],
    bad: [
      [
        ccnp("a", "{ endpointSelector: {}, ingress: [ {} ], egress: [ {} ] }"),
        /spec\.enableDefaultDeny\.ingress and spec\.enableDefaultDeny\.egress is not set/,
      ],
      [
        ccnp("a", "{ endpointSelector: {}, enableDefaultDeny: { ingress: false }, egress: [ {} ], ingress: [ {} ] }"),
        /spec\.enableDefaultDeny\.egress is not set/,
      ],
    ],
  },
  "host-access": {
    rows: "S3-26",
    good: [
      pod("api", "shop"),
      pod("agent", "kube-system", "{ hostNetwork: true, containers: [ { name: x } ] }"),
      pod(
        "api",
        "shop",
        "{ containers: [ { name: x, securityContext: { capabilities: { drop: [ ALL ], add: [ NET_BIND_SERVICE ] } } } ] }",
      ),
    ],
    bad: [
      [pod("agent", "shop", "{ hostNetwork: true, containers: [ { name: x } ] }"), /hostNetwork is true/],
      [
        pod("agent", "shop", "{ containers: [ { name: x, securityContext: { privileged: true } } ] }"),
        /containers\[0\]\.securityContext\.privileged/,
      ],
      [
        pod(
          "agent",
          "shop",
          "{ initContainers: [ { name: x, securityContext: { capabilities: { add: [ net_admin ] } } } ], containers: [ { name: x } ] }",
        ),
        /NET_ADMIN/,
      ],
      [pod("agent", "shop", "{ hostPID: true, containers: [ { name: x } ] }"), /hostPID/],
    ],
  },
  "cluster-admin-binding": {
    rows: "S3-23",
    good: [
      binding("{ kind: ServiceAccount, name: flux, namespace: flux-system }"),
      binding("{ kind: ServiceAccount, name: api, namespace: shop }", "view"),
      binding("{ kind: Group, name: system:masters }"),
    ],
    bad: [
      [binding("{ kind: ServiceAccount, name: api, namespace: shop }"), /ServiceAccount shop\/api/],
      [binding("{ kind: Group, name: system:authenticated }"), /group system:authenticated/],
      [binding("{ kind: Group, name: 'system:serviceaccounts:shop' }"), /every service account of a namespace/],
    ],
  },
  "not-understood": {
    rows: "S2-07",
    good: [deny, cnp("deny", "{ endpointSelector: {}, ingress: [ {} ] }")],
    bad: [
      [cnp("refused", "{ endpointSelector: {}, ingress: [] }"), /not enforced/],
      [netpol("typo", "{ podSelector: {}, policyTypes: [ Ingres ] }"), /spec\.policyTypes/],
      [netpol("port", "{ podSelector: {}, ingress: [ { ports: [ { port: 70000 } ] } ] }"), /spec\.ingress\[0\]\.ports/],
      [object("SomeNetworkPolicy", "x", "{}", "shop"), /not understood/],
    ],
  },
};

describe("findings: every rule", () => {
  it("describes itself", () => {
    const ids = rules.map((rule) => rule.id);
    assert.equal(new Set(ids).size, ids.length);
    for (const rule of rules) {
      assert.match(rule.id, /^[a-z0-9]+(-[a-z0-9]+)*$/);
      assert.match(rule.title, /^[A-Z].*[^.]$/);
      assert.match(rule.description, /^[A-Z].*\.$/s);
      assert.match(rule.remediation, /^[A-Z].*\.$/s);
      assert.ok(rule.controls.length > 0, rule.id);
    }
  });

  it("has fixtures here, or a test file of its own", () => {
    const elsewhere = ["namespace-default-deny", "metadata-endpoints-closed"];
    assert.deepEqual(
      rules.map((rule) => rule.id).filter((id) => !elsewhere.includes(id) && !(id in cases)),
      [],
    );
  });

  for (const [id, { good, bad, rows, options }] of Object.entries(cases)) {
    it(`${rows === undefined ? "" : `${rows} `}${id}: good documents pass`, () => {
      for (const yaml of good) {
        assert.deepEqual(
          violationsOf(id, yaml, options).map((finding) => [finding.message, finding.because]),
          [],
          yaml,
        );
      }
    });
    it(`${rows === undefined ? "" : `${rows} `}${id}: bad documents are found and explained`, () => {
      for (const [yaml, text] of bad) {
        const found = violationsOf(id, yaml, options);
        assert.ok(found.length > 0, yaml);
        assert.ok(
          found.some((finding) => text.test(finding.message) || finding.because.some((reason) => text.test(reason))),
          JSON.stringify(found),
        );
        found.forEach(assertShowable);
      }
    });
  }
});

describe("findings: the users' own documents, as printed in the seeds", () => {
  for (const { seed, id, says, defect } of seeds.expected) {
    it(`${defect} ${seed}: ${id}`, function () {
      const yaml = seeds.yamlOf(seed);
      if (yaml === undefined) return this.skip();
      const found = violationsOf(id, yaml);
      assert.ok(
        found.some((finding) => says.test(finding.message) || finding.because.some((reason) => says.test(reason))),
        JSON.stringify(found.map((finding) => [finding.message, finding.because])),
      );
    });
  }
});
