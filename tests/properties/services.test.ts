/** Connections to the addresses and names of Services: policies are asked about the pods behind them. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import type { EnforcerProfile, KubeObject, Peer, Verdict } from "../../sdk/reachability";
import { ciliumAllows } from "../oracle/cilium";
import type { OracleCluster, OracleFlow, PolicyObject } from "../oracle/cluster";
import { kubernetesAllows } from "../oracle/kubernetes";
import { flowsBehind, type OracleRedirect, type OracleService } from "../oracle/services";
import { clusters, portNames } from "./arbitraries";
import { isDeployment, overOpenWorlds } from "./compare";
import { clusterObjects, engineFor, peerOf, podsOutsideRanges, policyObjects, profile } from "./engine";
import { networkPolicies } from "./network-policies";
import { runsFor, seed, suiteTimeout } from "./settings";

/** Services and redirects select some pod of the cluster by one of its labels. */
const choice = fc.tuple(fc.nat(), fc.nat());
const ports = fc.constantFrom<OracleService["port"][]>(
  { protocol: "TCP", port: 80, targetPort: 8080 },
  { protocol: "TCP", port: 443, targetPort: "http" },
  { protocol: "TCP", port: 8080, targetPort: "metrics" },
  { protocol: "UDP", port: 53, targetPort: "dns" },
  { protocol: "TCP", port: 9090, targetPort: 80 },
);
const drafts = fc.array(fc.tuple(choice, ports), { minLength: 1, maxLength: 3 });
const redirects = fc.array(fc.tuple(fc.constantFrom(0, 1), choice, fc.constantFrom(80, 8080)), { maxLength: 1 });

type Labels = Readonly<Record<string, string>>;

function chosen(
  { pods }: OracleCluster,
  [one, which]: readonly [number, number],
  among?: string,
): { namespace: string; labels: Labels } {
  const candidates = pods.filter(({ namespace }) => among === undefined || namespace === among);
  const pod = candidates[one % Math.max(candidates.length, 1)];
  const entries = Object.entries(pod?.labels ?? {}).filter(([key]) => key !== "pod-template-hash");
  const entry = entries[which % Math.max(entries.length, 1)] ?? ["app", "web"];
  return { namespace: pod?.namespace ?? "a", labels: Object.fromEntries([entry]) };
}

function serviceObject({ namespace, name, clusterIP, selector, port }: OracleService): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace, name },
    spec: { clusterIP, selector, ports: [{ ...port }] },
  };
}

function redirectObject({ namespace, service, backend, port }: OracleRedirect, of: OracleService): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumLocalRedirectPolicy",
    metadata: { namespace, name: "redirect" },
    spec: {
      redirectFrontend: { serviceMatcher: { serviceName: service, namespace } },
      redirectBackend: {
        localEndpointSelector: { matchLabels: backend },
        toPorts: [{ port: String(port), protocol: of.port.protocol }],
      },
    },
  };
}

interface Suite {
  readonly title: string;
  readonly cluster: fc.Arbitrary<OracleCluster>;
  readonly redirects: typeof redirects;
  readonly profile: EnforcerProfile;
  readonly allows: (cluster: OracleCluster, policies: readonly PolicyObject[], flow: OracleFlow) => boolean;
}

const suites: readonly Suite[] = [
  {
    title: "properties: NetworkPolicy behind Services, engine against oracle",
    cluster: clusters({ podAddresses: true, hostNetwork: false }),
    redirects: fc.constant([]),
    profile: podsOutsideRanges,
    allows: (cluster, policies, flow) => kubernetesAllows(cluster, policies, flow, { cidrMatchesPods: true }),
  },
  {
    title: "properties: Cilium's local redirects of Services, engine against oracle",
    cluster: clusters({ podAddresses: false, hostNetwork: false }),
    redirects,
    profile: profile("cilium@1.20", { unknownPodAddresses: "outside-cidrs", localRedirects: true }),
    allows: (cluster, policies, flow) =>
      ciliumAllows(cluster, policies, flow, {
        cidrMatchesPods: false,
        cidrMatchesNodes: false,
        localNodeAlwaysAllowed: true,
        enforcementMode: "default",
        clusterNetworkPolicy: false,
      }),
  },
];

for (const suite of suites) {
  describe(suite.title, function () {
    this.timeout(suiteTimeout);
    let compared = 0;
    let allowed = 0;
    after(() => console.log(`      ${compared} verdicts compared (${allowed} allowed), seed ${seed}`));

    it("a connection to a Service passes where one to each of its pods does", () => {
      const parts = fc.tuple(suite.cluster, networkPolicies(4), drafts, suite.redirects);
      fc.assert(
        fc.property(parts, ([cluster, policies, services, redirecting]) => {
          const all = services.map(([pick, port], index): OracleService => {
            const { namespace, labels } = chosen(cluster, pick);
            return { namespace, name: `s${index}`, clusterIP: `10.96.0.${index + 10}`, selector: labels, port };
          });
          const redirected = redirecting.flatMap(([of, pick, port]): OracleRedirect[] => {
            const service = all[of];
            if (service === undefined) return [];
            const { labels } = chosen(cluster, pick, service.namespace);
            return [{ service: service.name, namespace: service.namespace, backend: labels, port }];
          });
          const known = redirected.flatMap((redirect) => {
            const of = all.find(({ name, namespace }) => name === redirect.service && namespace === redirect.namespace);
            return of === undefined ? [] : [redirectObject(redirect, of)];
          });
          const objects = [...clusterObjects(cluster), ...all.map(serviceObject), ...known, ...policyObjects(policies)];
          const engine = engineFor(objects, suite.profile);
          const text = JSON.stringify(policies);
          const worlds = {
            namedPorts: portNames.filter((name) => text.includes(`"${name}"`)),
            nodeAddresses: [],
            podAddresses: [],
          };
          const judge = (flow: OracleFlow): Verdict =>
            overOpenWorlds(flow, worlds, (world) => suite.allows(cluster, policies, world));
          for (const pod of cluster.pods) {
            const source = { kind: "pod", pod } as const;
            for (const service of all) {
              const flows = flowsBehind(cluster, service, redirected, { source });
              if (flows === undefined) continue;
              // what covers a Deployment's pods together need not do so by itself
              if (
                text.includes("pod-template-hash") &&
                flows.some((flow) => isDeployment(flow.source) || isDeployment(flow.destination))
              )
                continue;
              const expected = together(flows.map(judge));
              const { protocol, port } = service.port;
              const ends: Peer[] = [
                { kind: "address", address: service.clusterIP },
                { kind: "fqdn", name: `${service.name}.${service.namespace}.svc` },
              ];
              for (const destination of ends) {
                const got = engine.verdict({ source: peerOf(source), destination, protocol, port });
                compared++;
                if (expected === "allowed") allowed++;
                if (got === expected) continue;
                const yaml = objects.map((object) => stringify(object)).join("---\n");
                assert.fail(
                  `${pod.namespace}/${pod.name} to ${service.name} ${JSON.stringify(destination)}: engine ${got}, oracle ${expected}\n${yaml}`,
                );
              }
              const other = engine.verdict({ source: peerOf(source), destination: ends[0] as Peer, protocol, port: 9 });
              assert.equal(other, "denied", `${service.name} answers at port 9`);
            }
          }
        }),
        { numRuns: runsFor(0.15), seed },
      );
    });
  });
}

/** One of several gets the connection, and nobody knows which. */
function together(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.length > 0 && verdicts.every((verdict) => verdict === "allowed")) return "allowed";
  return verdicts.every((verdict) => verdict === "denied") ? "denied" : "unknown";
}
