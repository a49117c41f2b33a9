import assert from "node:assert/strict";
import type { ReplayedFlow } from "../../sdk/flows/index";
import { RecordingReader, replay } from "../../sdk/flows/index";
import { buildSnapshot, compile, describeEnd, profileFor, readYaml, type Peer } from "../../sdk/reachability/index";
import { goldmane, hubble, tcp, web, ztunnel, type HubbleFlow } from "./lines";

const workloads = `
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, namespace: shop }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { serviceAccountName: web, containers: [{ name: web, image: web }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, namespace: shop }
spec:
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec: { containers: [{ name: db, image: db, ports: [{ containerPort: 5432 }] }] }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: default-deny, namespace: shop }
spec: { podSelector: {}, policyTypes: [Ingress, Egress] }
`;

const webToDb = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web, namespace: shop }
spec:
  podSelector: { matchLabels: { app: web } }
  policyTypes: [Egress]
  egress: [{ to: [{ podSelector: { matchLabels: { app: db } } }], ports: [{ port: 5432 }] }]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: db, namespace: shop }
spec:
  podSelector: { matchLabels: { app: db } }
  policyTypes: [Ingress]
  ingress: [{ from: [{ podSelector: { matchLabels: { app: web } } }], ports: [{ port: 5432 }] }]
`;

const names = `
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: names, namespace: shop }
spec:
  endpointSelector: { matchLabels: { app: web } }
  egress:
    - toFQDNs: [{ matchName: api.example.com }]
      toPorts: [{ ports: [{ port: "443", protocol: TCP }] }]
    - toEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": kube-system } }]
      toPorts: [{ ports: [{ port: "53", protocol: ANY }], rules: { dns: [{ matchPattern: "*" }] } }]
`;

function judged(policies: string, ...lines: readonly string[]): readonly ReplayedFlow[] {
  const { objects, problems } = readYaml(workloads + policies, "policies.yaml");
  assert.deepEqual(problems, []);
  const reader = new RecordingReader();
  lines.forEach((line, index) => reader.line(line, "flows.log", index + 1));
  return replay(reader.result().classes, compile(buildSnapshot(objects, { profile: profileFor("cilium@1.20") })));
}

const effects = (flows: readonly ReplayedFlow[]): string[] => flows.map(({ effect }) => effect).sort();
const passed: HubbleFlow = { reply: false };
const denied: HubbleFlow = { verdict: "DROPPED", reason: "POLICY_DENIED" };
const outside = { identity: 2, labels: ["reserved:world"] };
const ip = { source: "10.244.0.12", destination: "203.0.113.10" };

describe("replay of recorded flows", () => {
  it("tells what the policies would deny, with the reason, and what they would let pass", () => {
    const [flow, ...rest] = judged("", hubble(passed));
    assert.deepEqual(rest, []);
    assert.equal(flow?.effect, "would-be-denied");
    assert.equal(describeEnd(flow.source as Peer), "shop/web[Deployment]");
    assert.equal(describeEnd(flow.destination as Peer), "shop/db[StatefulSet]");
    assert.deepEqual([flow.passed, flow.denied], [1, 0]);
    assert.match(flow.reason, /default-deny/);
    assert.deepEqual(effects(judged(webToDb, hubble(passed))), ["still-allowed"]);
    assert.deepEqual(effects(judged(webToDb, hubble(denied))), ["would-open"]);
    assert.deepEqual(effects(judged("", hubble(denied))), ["still-denied"]);
    assert.deepEqual(effects(judged("", hubble({ verdict: "AUDIT" }))), ["would-be-denied"]);
  });

  it("judges a kind that passed and was denied by both", () => {
    const lines = [hubble(passed), hubble({ ...denied, l4: tcp(5432, 43299) })];
    assert.deepEqual(effects(judged(webToDb, ...lines)), ["still-allowed", "would-open"]);
  });

  it("says the same whichever recorder wrote it", () => {
    for (const line of [hubble(passed), goldmane(), ztunnel()]) {
      assert.deepEqual(effects(judged("", line)), ["would-be-denied"], line);
      assert.deepEqual(effects(judged(webToDb, line)), ["still-allowed"], line);
    }
  });

  it("goes by labels, and by the name where they are not recorded", () => {
    const byName: HubbleFlow = { ...passed, source: { namespace: "shop", pod_name: "web-5d4b9c7f6d-abcde" } };
    assert.deepEqual(
      judged(webToDb, hubble(byName)).map((flow) => [flow.effect, flow.byName]),
      [["still-allowed", true]],
    );
    assert.deepEqual(
      judged(webToDb, hubble(passed)).map(({ byName: named }) => named),
      [false],
    );
    const nobody: HubbleFlow = { ...passed, source: { namespace: "shop", pod_name: "gone-1" } };
    assert.deepEqual(effects(judged(webToDb, hubble(nobody))), ["unresolved"]);
  });

  it("asks about the labels where no workload has them: policies see nothing else", () => {
    const source = { ...web, labels: ["k8s:app=web", "k8s:debug=1", "k8s:io.kubernetes.pod.namespace=shop"] };
    const [flow] = judged(webToDb, hubble({ ...passed, source }));
    assert.equal(flow?.effect, "still-allowed");
    assert.equal(flow.source.kind, "freshPod");
  });

  it("takes a name that the source had looked up, and stays unknown without one", () => {
    const to = (...found: readonly string[]): string =>
      hubble({ ...passed, destination: outside, ip, l4: tcp(443), more: { destination_names: found } });
    assert.deepEqual(effects(judged(names, to("api.example.com"))), ["still-allowed"]);
    assert.deepEqual(effects(judged(names, to("other.example.com", "api.example.com"))), ["still-allowed"]);
    assert.deepEqual(effects(judged(names, to("other.example.com"))), ["would-be-denied"]);
    assert.deepEqual(effects(judged(names, to())), ["unknown"]);
    assert.deepEqual(effects(judged("", to())), ["would-be-denied"]);
  });

  it("knows that a recorded address is none that is denied, whatever its name or its entity may lead to", () => {
    const deny = `
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: { name: deny-cloud-metadata }
spec:
  endpointSelector: {}
  enableDefaultDeny: { egress: false, ingress: false }
  egress: [{ toEntities: [kube-apiserver], toPorts: [{ ports: [{ port: "443", protocol: TCP }] }] }]
  egressDeny: [{ toCIDRSet: [{ cidr: 169.254.169.254/32 }] }]
`;
    const named = { destination_names: ["api.example.com"] };
    const at = (destination: string): HubbleFlow => ({
      ...passed,
      destination: outside,
      ip: { ...ip, destination },
      l4: tcp(443),
      more: named,
    });
    assert.deepEqual(effects(judged(names + deny, hubble(at("203.0.113.10")))), ["still-allowed"]);
    assert.deepEqual(effects(judged(names + deny, hubble(at("169.254.169.254")))), ["would-be-denied"]);
    const server = { labels: ["reserved:kube-apiserver", "reserved:remote-node"] };
    assert.deepEqual(effects(judged(names + deny, hubble({ ...at("10.0.0.2"), destination: server }))), [
      "still-allowed",
    ]);
  });

  it("does not judge ends that nobody can be asked about", () => {
    const [flow] = judged(webToDb, goldmane({ dest_name: "pub", dest_namespace: "-", dest_type: 4, dest_port: 443 }));
    assert.equal(flow?.effect, "unresolved");
    assert.match(flow.reason, /whose address Calico does not record/);
  });

  it("adds up flows whose ends are the same to the engine", () => {
    const revision = (hash: string, from: number): string =>
      hubble({
        ...passed,
        l4: tcp(5432, from),
        source: { ...web, labels: [...web.labels.slice(0, 1), `k8s:pod-template-hash=${hash}`] },
      });
    const flows = judged(webToDb, revision("1", 1), revision("2", 2));
    assert.deepEqual(
      flows.map((flow) => [flow.effect, flow.passed]),
      [["still-allowed", 2]],
    );
  });
});
