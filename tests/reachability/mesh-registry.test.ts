import assert from "node:assert/strict";
import { evaluate } from "../../sdk/findings";
import {
  buildSnapshot,
  compile,
  profileFor,
  readYaml,
  unknownValue,
  type Reachability,
  type Verdict,
} from "../../sdk/reachability";

function judge(...texts: string[]): Reachability {
  const { objects, problems } = readYaml(texts.join("---\n"), "all.yaml");
  // a placeholder that was not filled in is not known, and said where it is
  assert.deepEqual(
    problems.filter(({ code }) => code !== "unknown-value"),
    [],
  );
  return compile(buildSnapshot(objects, { profile: profileFor("kubernetes") }));
}

const namespace = (name: string, labels = "istio-injection: enabled"): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: { ${labels} } }\n`;
const pod = (place: string, annotations = ""): string => {
  const [where = "", name = ""] = place.split("/");
  return `apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${where}, labels: { app: ${name} }, annotations: { ${annotations} } }
spec: { containers: [{ name: main, image: main, ports: [{ name: http, containerPort: 8080 }] }] }
`;
};
const service = (place: string, ports = "{ port: 80, targetPort: http }", metadata = ""): string => {
  const [where = "", name = ""] = place.split("/");
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, namespace: ${where}, ${metadata} }\nspec: { selector: { app: ${name} }, ports: [${ports}] }\n`;
};
const sidecar = (place: string, spec: string, metadata = ""): string => {
  const [where = "", name = ""] = place.split("/");
  return `apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: { name: ${name}, namespace: ${where}, ${metadata} }\nspec: ${spec}\n`;
};
const serviceEntry = (place: string, spec: string): string => {
  const [where = "", name = ""] = place.split("/");
  return `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: { name: ${name}, namespace: ${where} }\nspec: ${spec}\n`;
};
const closedMesh =
  'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: istio-system }\ndata: { mesh: "outboundTrafficPolicy: { mode: REGISTRY_ONLY }" }\n';

const shop = [
  namespace("shop"),
  namespace("bank"),
  namespace("legacy", ""),
  pod("shop/web"),
  pod("shop/cart"),
  pod("bank/ledger"),
  pod("bank/batch"),
  pod("legacy/cron"),
  service("shop/web"),
  service("shop/cart"),
  service("bank/ledger"),
].join("---\n");

interface To {
  readonly pod?: string;
  readonly name?: string;
  readonly address?: string;
  readonly api?: true;
}

function asks(
  reachability: Reachability,
  from: string,
  to: To,
  port: number,
  protocol: "TCP" | "UDP" = "TCP",
): Verdict {
  const destination =
    to.pod !== undefined
      ? ({ kind: "workload", id: `${to.pod}[Pod]` } as const)
      : to.name !== undefined
        ? ({ kind: "fqdn", name: to.name } as const)
        : to.address !== undefined
          ? ({ kind: "address", address: to.address } as const)
          : ({ kind: "kubeApiserver" } as const);
  return reachability.verdict({ source: { kind: "workload", id: `${from}[Pod]` }, destination, protocol, port });
}

/** The matrix says what traffic() says, for every pair of pods. */
function matrixAgrees(reachability: Reachability): void {
  const found = new Map(
    [...reachability.matrix({ external: false })].map((entry) => [`${entry.sourceId} ${entry.destinationId}`, entry]),
  );
  for (const from of reachability.snapshot.workloads) {
    for (const to of reachability.snapshot.workloads) {
      if (from === to) continue;
      const traffic = reachability.traffic({ kind: "workload", id: from.id }, { kind: "workload", id: to.id });
      const entry = found.get(`${from.id} ${to.id}`);
      assert.equal(entry?.allowed.toString() ?? "No Connections", traffic.allowed.toString(), `${from.id} ${to.id}`);
      assert.equal(entry?.possible.toString() ?? "No Connections", traffic.possible.toString(), `${from.id} ${to.id}`);
    }
  }
}

type Row = readonly [from: string, to: To, port: number, verdict: Verdict];

function table(reachability: Reachability, rows: readonly Row[]): void {
  for (const [from, to, port, verdict] of rows) {
    assert.equal(asks(reachability, from, to, port), verdict, `${from} to ${JSON.stringify(to)}:${port}`);
  }
  matrixAgrees(reachability);
}

describe("Istio's outboundTrafficPolicy: what a sidecar does not know it sends nowhere", () => {
  it("lets everything pass without it", () => {
    table(judge(shop), [
      ["shop/web", { pod: "bank/batch" }, 8080, "allowed"],
      ["shop/web", { address: "93.184.216.34" }, 443, "allowed"],
    ]);
  });

  it("REGISTRY_ONLY of the mesh lets sidecars reach Services alone, on their ports", () => {
    const reachability = judge(shop, closedMesh);
    table(reachability, [
      ["shop/web", { pod: "shop/cart" }, 8080, "allowed"],
      ["shop/web", { pod: "bank/ledger" }, 8080, "allowed"],
      // no Service leads there
      ["shop/web", { pod: "bank/ledger" }, 9090, "denied"],
      ["shop/web", { pod: "bank/batch" }, 8080, "denied"],
      ["shop/web", { address: "93.184.216.34" }, 443, "denied"],
      ["shop/web", { name: "example.com" }, 443, "denied"],
      ["shop/web", { api: true }, 443, "allowed"],
      // no proxy there
      ["legacy/cron", { pod: "bank/batch" }, 8080, "allowed"],
      ["legacy/cron", { address: "93.184.216.34" }, 443, "allowed"],
    ]);
    // a proxy takes TCP only
    assert.equal(asks(reachability, "shop/web", { address: "93.184.216.34" }, 53, "UDP"), "allowed");
    const { egress } = reachability.explain({
      source: { kind: "workload", id: "shop/web[Pod]" },
      destination: { kind: "address", address: "93.184.216.34" },
      protocol: "TCP",
      port: 443,
    });
    assert.match(egress.reason, /ConfigMap istio-system\/istio/);
  });

  it("says how what a sidecar does not know is opened", () => {
    const { flip } = judge(shop, closedMesh).explain({
      source: { kind: "workload", id: "shop/web[Pod]" },
      destination: { kind: "fqdn", name: "example.com" },
      protocol: "TCP",
      port: 443,
    });
    assert.match(flip[0]?.text ?? "", /ServiceEntry/);
  });

  it("is no protection to findings: whoever has the pod gets past its proxy", () => {
    const closedButTcp = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: tcp, namespace: shop }
spec: { podSelector: {}, policyTypes: [Egress], egress: [{ ports: [{ protocol: TCP }] }] }
`;
    const found = (...texts: string[]): string[] =>
      evaluate(judge(shop, closedButTcp, ...texts))
        .filter(({ id }) => id === "metadata-endpoints-closed")
        .map(({ message }) => message);
    assert.notDeepEqual(found(), []);
    assert.deepEqual(found(closedMesh), found());
  });

  it("reads it from what installs istiod, whoever runs the release", () => {
    const values = "{ meshConfig: { outboundTrafficPolicy: { mode: REGISTRY_ONLY } } }";
    const closing = [
      `apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: { name: istiod, namespace: flux }\nspec: { chart: { spec: { chart: istiod } }, values: ${values} }\n`,
      `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: { name: istiod, namespace: argo }\nspec: { source: { chart: istiod, helm: { valuesObject: ${values} } } }\n`,
      `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: { name: istiod, namespace: argo }\nspec: { sources: [{ chart: istiod, helm: { values: "${values}" } }] }\n`,
      `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: { name: istiod, namespace: argo }\nspec: { source: { chart: istiod, helm: { parameters: [{ name: meshConfig.outboundTrafficPolicy.mode, value: REGISTRY_ONLY }] } } }\n`,
      `apiVersion: helm.cattle.io/v1\nkind: HelmChart\nmetadata: { name: istiod, namespace: kube-system }\nspec: { chart: istiod, valuesContent: "${values}" }\n`,
      `apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: { name: mesh, namespace: istio-system }\nspec: ${values}\n`,
      `apiVersion: sailoperator.io/v1\nkind: Istio\nmetadata: { name: default }\nspec: { values: ${values} }\n`,
    ];
    for (const text of closing) {
      assert.equal(asks(judge(shop, text), "shop/web", { pod: "bank/batch" }, 8080), "denied", text);
    }
    const other = (closing[1] ?? "").replace("chart: istiod", "chart: ztunnel");
    assert.equal(asks(judge(shop, other), "shop/web", { pod: "bank/batch" }, 8080), "allowed");
  });

  it("takes a Sidecar's own before the mesh's, its selector before its namespace, and the root namespace's last", () => {
    const only = "{ outboundTrafficPolicy: { mode: REGISTRY_ONLY }, egress: [{ hosts: ['./*'] }] }";
    table(judge(shop, sidecar("shop/default", only)), [
      ["shop/web", { pod: "shop/cart" }, 8080, "allowed"],
      ["shop/web", { pod: "bank/ledger" }, 8080, "denied"],
      ["shop/web", { name: "example.com" }, 443, "denied"],
      ["bank/batch", { pod: "shop/cart" }, 8080, "allowed"],
      ["bank/batch", { name: "example.com" }, 443, "allowed"],
    ]);
    // the name of the mode that protobuf calls the first is REGISTRY_ONLY
    table(judge(shop, sidecar("shop/default", "{ outboundTrafficPolicy: {} }")), [
      ["shop/web", { pod: "bank/ledger" }, 8080, "allowed"],
      ["shop/web", { name: "example.com" }, 443, "denied"],
    ]);
    const open = "{ workloadSelector: { labels: { app: web } }, outboundTrafficPolicy: { mode: ALLOW_ANY } }";
    table(judge(shop, sidecar("shop/default", only), sidecar("shop/web", open)), [
      ["shop/web", { name: "example.com" }, 443, "allowed"],
      ["shop/cart", { name: "example.com" }, 443, "denied"],
    ]);
    table(judge(shop, closedMesh, sidecar("shop/default", "{ egress: [{ hosts: ['./*'] }] }")), [
      ["shop/web", { pod: "bank/ledger" }, 8080, "denied"],
      ["shop/web", { pod: "shop/cart" }, 8080, "allowed"],
      ["bank/batch", { pod: "shop/cart" }, 8080, "allowed"],
      ["bank/batch", { name: "example.com" }, 443, "denied"],
    ]);
    // in the root namespace it is for every namespace that has none, and "." is the client's own
    table(judge(shop, sidecar("istio-system/default", only), sidecar("bank/default", open)), [
      ["shop/web", { pod: "shop/cart" }, 8080, "allowed"],
      ["shop/web", { pod: "bank/ledger" }, 8080, "denied"],
      // its selector leaves these pods to the root namespace's
      ["bank/batch", { pod: "bank/ledger" }, 8080, "allowed"],
      ["bank/batch", { pod: "shop/cart" }, 8080, "denied"],
    ]);
  });

  it("asks each host of a Sidecar: by namespace, by name, by port, and what is left out", () => {
    const hosts = (list: string, more = ""): string =>
      sidecar(
        "shop/default",
        `{ outboundTrafficPolicy: { mode: REGISTRY_ONLY }, egress: [{ hosts: [${list}], ${more} }] }`,
      );
    const to = (text: string, port = 8080): Verdict =>
      asks(judge(shop, text), "shop/web", { pod: "bank/ledger" }, port);
    assert.equal(to(hosts("'bank/*'")), "allowed");
    assert.equal(to(hosts("'*/*'")), "allowed");
    assert.equal(to(hosts("'*/ledger.bank.svc.cluster.local'")), "allowed");
    assert.equal(to(hosts("'bank/*.bank.svc.cluster.local'")), "allowed");
    assert.equal(to(hosts("'shop/ledger.bank.svc.cluster.local'")), "denied");
    assert.equal(to(hosts("'~/*'")), "denied");
    assert.equal(to(hosts("'*/*', '~bank/*'")), "denied");
    assert.equal(to(hosts("'bank/*'", "port: { number: 80, protocol: HTTP, name: http }")), "allowed");
    assert.equal(to(hosts("'bank/*'", "port: { number: 81, protocol: HTTP, name: http }")), "denied");
    // a listener that the program has to be told of
    assert.equal(
      to(hosts("'bank/*'", "captureMode: NONE, bind: 127.0.0.1, port: { number: 80, protocol: HTTP, name: http }")),
      "unknown",
    );
  });

  it("does not know Services that are not exported to the client", () => {
    const rest = shop.replace(service("bank/ledger"), "");
    const exported = (value: string): string =>
      `${rest}---\n${service("bank/ledger", undefined, `annotations: { networking.istio.io/exportTo: "${value}" }`)}`;
    const to = (value: string, from = "shop/web"): Verdict =>
      asks(judge(exported(value), closedMesh), from, { pod: "bank/ledger" }, 8080);
    assert.equal(to("."), "denied");
    assert.equal(to(".", "bank/batch"), "allowed");
    assert.equal(to("~"), "denied");
    assert.equal(to("shop, other"), "allowed");
    assert.equal(to("*"), "allowed");
  });

  it("knows what ServiceEntries name", () => {
    const web = serviceEntry(
      "shop/example",
      "{ hosts: [example.com, '*.example.org'], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS }",
    );
    table(judge(shop, closedMesh, web), [
      ["shop/web", { name: "example.com" }, 443, "allowed"],
      ["shop/web", { name: "a.example.org" }, 443, "allowed"],
      ["shop/web", { name: "example.com" }, 80, "denied"],
      ["shop/web", { name: "example.net" }, 443, "denied"],
      // by its name the address may be asked for
      ["shop/web", { address: "93.184.216.34" }, 443, "unknown"],
      ["shop/web", { address: "93.184.216.34" }, 80, "denied"],
      ["bank/batch", { name: "example.com" }, 443, "allowed"],
    ]);
    const own = serviceEntry(
      "shop/example",
      "{ hosts: [example.com], exportTo: ['.'], ports: [{ number: 443, name: tls, protocol: TLS }] }",
    );
    table(judge(shop, closedMesh, own), [
      ["shop/web", { name: "example.com" }, 443, "allowed"],
      ["bank/batch", { name: "example.com" }, 443, "denied"],
    ]);
    const range = serviceEntry(
      "shop/vms",
      "{ hosts: [vms.internal], addresses: [192.0.2.0/24], ports: [{ number: 5432, name: tcp, protocol: TCP }], resolution: NONE }",
    );
    table(judge(shop, closedMesh, range), [
      ["shop/web", { address: "192.0.2.7" }, 5432, "allowed"],
      ["shop/web", { address: "192.0.2.7" }, 5433, "denied"],
      ["shop/web", { address: "198.51.100.7" }, 5432, "denied"],
    ]);
  });

  it("does not call closed what an entry may name that is not known, or refused, and says which", () => {
    const rows: readonly (readonly [spec: string, said: RegExp])[] = [
      ["{ hosts: [example.com], ports: [{ number: 99999, name: tls, protocol: TLS }] }", /ports\[0\]\.number.*65535/],
      ["{ hosts: [example.com], ports: [{ number: 7.5, name: tls, protocol: TLS }] }", /ports\[0\]\.number/],
      ["{ hosts: [example.com], ports: [{ name: tls, protocol: TLS }] }", /ports\[0\]\.number is missing/],
      [
        "{ hosts: [example.com], ports: [{ number: 443, targetPort: 99999, name: tls, protocol: TLS }] }",
        /ports\[0\]\.targetPort/,
      ],
      ['{ hosts: [example.com], ports: [{ number: "${PORT}", name: tls, protocol: TLS }] }', /number is not known/],
      ['{ hosts: [example.com], ports: "${PORTS}" }', /spec\.ports is not known/],
      ['{ hosts: "${HOSTS}", ports: [{ number: 443, name: tls, protocol: TLS }] }', /spec\.hosts is not known/],
      ['{ hosts: ["${HOST}"], ports: [{ number: 443, name: tls, protocol: TLS }] }', /spec\.hosts\[0\] is not known/],
      ['{ hosts: [example.com], exportTo: ["${TO}"], ports: [{ number: 443, name: a, protocol: TLS }] }', /exportTo/],
      ['"${SPEC}"', /spec is not known/],
    ];
    for (const [spec, said] of rows) {
      const reachability = judge(shop, closedMesh, serviceEntry("shop/example", spec));
      table(reachability, [["shop/web", { name: "example.com" }, 443, "unknown"]]);
      const problems = reachability.snapshot.problems.filter(({ object }) => object?.kind === "ServiceEntry");
      assert.equal(problems.length, 1, spec);
      assert.match(problems[0]?.message ?? "", said);
    }
    // what one port leaves open says nothing of a host that no entry names
    const oneHost = serviceEntry(
      "shop/example",
      '{ hosts: [example.com], ports: [{ number: "${PORT}", name: a }], resolution: DNS }',
    );
    table(judge(shop, closedMesh, oneHost), [["bank/batch", { name: "example.net" }, 443, "denied"]]);
  });

  it("does not call closed a Service's port that is not known, nor open one that may not be exported", () => {
    const rest = shop.replace(service("bank/ledger"), "");
    const ledger = (text: string, annotation?: unknown): Verdict => {
      const { objects } = readYaml([rest, text, closedMesh].join("---\n"), "all.yaml");
      const annotations = { "networking.istio.io/exportTo": annotation as string };
      const all = objects.map(({ object }) => {
        const changed = annotation !== undefined && object.kind === "Service" && object.metadata?.name === "ledger";
        return { object: changed ? { ...object, metadata: { ...object.metadata, annotations } } : object };
      });
      const reachability = compile(buildSnapshot(all, { profile: profileFor("kubernetes") }));
      return asks(reachability, "shop/web", { pod: "bank/ledger" }, 8080);
    };
    assert.equal(ledger(service("bank/ledger")), "allowed");
    assert.equal(ledger(service("bank/ledger", '{ port: "${PORT}", targetPort: http }')), "unknown");
    assert.equal(ledger(service("bank/ledger"), unknownValue), "unknown");
  });

  it("leaves alone what annotations keep from the proxy, ambient pods and gateways", () => {
    const excluded = [
      namespace("bank"),
      namespace("amb", "istio.io/dataplane-mode: ambient"),
      pod("bank/batch"),
      pod("bank/apart", "sidecar.istio.io/interceptionMode: NONE"),
      pod("bank/some", 'traffic.sidecar.istio.io/excludeOutboundPorts: "8080"'),
      pod("amb/web"),
      service("bank/other"),
    ].join("---\n");
    table(judge(excluded, closedMesh), [
      ["bank/apart", { pod: "bank/batch" }, 8080, "allowed"],
      ["bank/some", { pod: "bank/batch" }, 8080, "unknown"],
      ["amb/web", { pod: "bank/batch" }, 8080, "allowed"],
    ]);
  });

  it("does not call closed what a Service may lead to that was not read, and says so once", () => {
    const reachability = judge(namespace("shop"), namespace("bank"), pod("shop/web"), pod("bank/ledger"), closedMesh);
    table(reachability, [["shop/web", { pod: "bank/ledger" }, 8080, "unknown"]]);
    const said = reachability.snapshot.problems.filter(({ message }) => message.includes("REGISTRY_ONLY"));
    assert.equal(said.length, 1);
    assert.match(said[0]?.message ?? "", /bank, shop/);
  });

  it("may know what a VirtualService sends to", () => {
    const route =
      "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: to, namespace: shop }\nspec: { hosts: [web], http: [{ route: [{ destination: { host: ledger.bank.svc.cluster.local } }] }] }\n";
    const only = sidecar(
      "shop/default",
      "{ outboundTrafficPolicy: { mode: REGISTRY_ONLY }, egress: [{ hosts: ['./*'] }] }",
    );
    table(judge(shop, only, route), [["shop/web", { pod: "bank/ledger" }, 8080, "unknown"]]);
  });
});

describe("Istio's Sidecar: what it hides is sent as it is", () => {
  const strict =
    "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: { name: default, namespace: bank }\nspec: { mtls: { mode: STRICT } }\n";

  it("so that a hidden Service that asks for mutual TLS is closed", () => {
    const hiding = sidecar("shop/default", "{ egress: [{ hosts: ['./*'] }] }");
    table(judge(shop, strict), [["shop/web", { pod: "bank/ledger" }, 8080, "allowed"]]);
    table(judge(shop, strict, hiding), [
      ["shop/web", { pod: "bank/ledger" }, 8080, "denied"],
      ["shop/web", { pod: "shop/cart" }, 8080, "allowed"],
      ["bank/batch", { pod: "bank/ledger" }, 8080, "allowed"],
    ]);
  });
});
