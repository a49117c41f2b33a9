import assert from "node:assert/strict";
import { buildSnapshot, compile, profileFor, type KubeObject } from "../../sdk/reachability";
import { refusesPlaintext, type Mode, type WorkloadPolicy } from "../oracle/ztunnel-peer-authentication";

const all: readonly Mode[] = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];
/** No `mtls` at all, and no policy at all. */
const above: readonly (Mode | undefined | null)[] = [null, undefined, ...all];

const named = (kind: string, name: string, namespace: string | undefined, more: object): KubeObject => ({
  apiVersion: "v1",
  kind,
  metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
  ...more,
});
const authentication = (namespace: string, mode: Mode | undefined, more: object = {}): KubeObject => ({
  apiVersion: "security.istio.io/v1",
  kind: "PeerAuthentication",
  metadata: { name: "main", namespace },
  spec: { ...(mode === undefined ? {} : { mtls: { mode } }), ...more },
});
const base: readonly KubeObject[] = [
  {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "shop", labels: { "istio.io/dataplane-mode": "ambient" } },
  },
  named("Pod", "web", "shop", { metadata: { name: "web", namespace: "shop", labels: { app: "web" } }, spec: {} }),
  named("Namespace", "old", undefined, {}),
  named("Pod", "out", "old", { spec: {} }),
];

function enforced(policy: WorkloadPolicy, ns: Mode | undefined | null, root: Mode | undefined | null) {
  const own: KubeObject = {
    ...authentication("shop", policy.mode, {
      selector: { matchLabels: { app: "web" } },
      portLevelMtls: Object.fromEntries(Object.entries(policy.ports).map(([port, mode]) => [port, { mode }])),
    }),
    metadata: { name: "own", namespace: "shop" },
  };
  const objects = [
    ...base,
    own,
    ...(ns === null ? [] : [authentication("shop", ns)]),
    ...(root === null ? [] : [authentication("istio-system", root)]),
  ];
  return compile(
    buildSnapshot(
      objects.map((object) => ({ object })),
      { profile: profileFor("kubernetes") },
    ),
  );
}

describe("ztunnel: PeerAuthentication of a workload, under those of its namespace and the mesh", () => {
  for (const root of above) {
    it(`is what istiod makes of it, for every mode and two ports (mesh: ${root === null ? "no policy" : (root ?? "no mode")})`, () => {
      for (const ns of above) {
        for (const mode of [undefined, ...all]) {
          for (const first of all) {
            for (const second of [[], ...all.map((each) => [[9090, each]] as const)] as const) {
              const policy: WorkloadPolicy = { mode, ports: { 8080: first, ...Object.fromEntries(second) } };
              const reachability = enforced(policy, ns, root);
              for (const port of [8080, 9090, 7070]) {
                const verdict = reachability.verdict({
                  source: { kind: "workload", id: "old/out[Pod]" },
                  destination: { kind: "workload", id: "shop/web[Pod]" },
                  protocol: "TCP",
                  port,
                });
                const right = refusesPlaintext(policy, ns, root, port) ? "denied" : "allowed";
                assert.equal(verdict, right, JSON.stringify({ policy, ns, root, port }));
              }
            }
          }
        }
      }
    }).timeout(60_000);
  }
});
