/** The examples' traffic on a real Cilium: recorded while all is open, learnt from, replayed, then enforced and sent again. */
import assert from "node:assert/strict";
import type { LabProbe, PodWish } from "../../lab/datapath/index";
import { computedReachability, world } from "../../lab/datapath/index";
import { loadExample } from "../../lab/examples/index";
import type { ExampleName } from "../../lab/examples/names";
import type { Probe, ProbeEnd } from "../../sdk/cluster/verify-probes";
import { describeProbe, probesFor } from "../../sdk/cluster/verify-probes";
import type { ReplayedFlow } from "../../sdk/flows/index";
import { judgeOf, learn, replay, withLearned } from "../../sdk/flows/index";
import type { PeerDeclaration } from "../../sdk/plan/index";
import { Dialect, plan } from "../../sdk/plan/index";
import { literal } from "../plan/literal";
import { asLabObjects, exporting, linesOf, recordingOf } from "./recorded";
import type { SharedDatapath } from "./shared-datapath";
import { closeSharedDatapath, sharedDatapath } from "./shared-datapath";
import { chosenExamples } from "./whole-way";

/** `shop/web[Pod]` is the pod `shop/web`. */
const nameOf = (end: ProbeEnd): string => (end.kind === "address" ? end.address : end.id.replace(/\[\w+\]$/, ""));

/** Pods by the workloads of a snapshot. */
type Pods = ReadonlyMap<string, string>;

function labProbeOf({ source, destination, protocol, port, isDns }: Probe, pods: Pods): LabProbe {
  const place = (end: ProbeEnd): string => (end.kind === "address" ? end.address : (pods.get(end.id) ?? end.id));
  const from = source.kind === "address" ? `world:${source.address}` : place(source);
  const ends = { from, to: place(destination), port };
  if (isDns === true) {
    return { ...ends, protocol: protocol === "UDP" ? "dns" : "dns-tcp", name: "kubernetes.default.svc.cluster.local" };
  }
  return { ...ends, protocol: protocol === "UDP" ? "udp" : "tcp" };
}

const peerText = ({ workload, cidr, entity, fqdn }: PeerDeclaration): string =>
  workload ?? String(cidr ?? entity ?? fqdn);

const probeText = ({ source, destination, protocol, port }: Probe): string => {
  const end = (each: ProbeEnd): string => (each.kind === "address" ? `${each.address}/32` : nameOf(each));
  return `${end(source)} > ${end(destination)} ${protocol} ${port}`;
};

describe("enforcement: the examples' flows, recorded on a real Cilium", function () {
  this.timeout(300_000);
  let on: SharedDatapath;
  let cleanUp = (): Promise<void> => Promise.resolve();

  before(async () => {
    on = await sharedDatapath({ nodes: 2, agentArgs: exporting });
    await on.cluster.untilReadyIn("kube-system");
  });

  afterEach(async () => {
    await cleanUp();
    cleanUp = () => Promise.resolve();
  });

  after(async () => {
    await closeSharedDatapath();
  });

  async function podsOf(): Promise<Pods> {
    const running = await on.cluster.pods();
    const { workloads } = (await computedReachability(on.controlPlane)).snapshot;
    return new Map(
      workloads.flatMap(({ id, namespace, addresses }) => {
        const pod = running.find((each) => each.namespace === namespace && addresses.includes(each.address));
        return pod === undefined ? [] : [[id, `${namespace}/${pod.name}`] as const];
      }),
    );
  }

  /** Whether each came through. Silence where an answer is expected gets more time. */
  async function passes(
    probes: readonly Probe[],
    expected: (probe: Probe, index: number) => boolean,
  ): Promise<boolean[]> {
    const pods = await podsOf();
    const all = probes.map((probe) => labProbeOf(probe, pods));
    const send = async (some: readonly LabProbe[], timeout: number): Promise<boolean[]> =>
      (await on.cluster.probe(some, { timeout, parallel: 64 })).map(({ verdict }) => verdict === "allowed");
    const found = await send(all, 800);
    const doubted = all.flatMap((probe, index) => {
      const judged = probes[index];
      return judged !== undefined && found[index] === false && expected(judged, index) ? [{ probe, index }] : [];
    });
    const again = await send(
      doubted.map(({ probe }) => probe),
      4000,
    );
    doubted.forEach(({ index }, place) => (found[index] = again[place] ?? false));
    return found;
  }

  async function exampleOn(name: ExampleName) {
    const { declaration, workloads } = await loadExample(name);
    const planned = plan({ ...declaration, dialect: Dialect.Cilium });
    const pods = literal([...workloads])
      .filter(({ namespace, hostNetwork }) => namespace !== "kube-system" && hostNetwork !== true)
      .map(({ namespace, name: own, labels, serviceAccount, ports }, index): PodWish => ({
        namespace,
        name: own,
        labels: labels ?? { app: own },
        ...(serviceAccount === undefined ? {} : { serviceAccount }),
        ports: (ports ?? []).flatMap(({ port, protocol }) =>
          port === undefined ? [] : [{ port, ...(protocol === undefined ? {} : { protocol }) }],
        ),
        node: index % 2 === 0 ? "lab-node-1" : "lab-node-2",
      }));
    const policies = asLabObjects(planned.documents).filter(({ apiVersion }) =>
      /^(?:cilium|networking\.k8s)\.io\//.test(apiVersion),
    );
    return { planned, pods, policies };
  }

  for (const name of chosenExamples) {
    it(`S3-13, S3-28: ${name}: what is learnt is what was sent, and what the replay would deny is what is denied`, async () => {
      const { planned, pods, policies } = await exampleOn(name);
      cleanUp = async () => {
        await on.cluster.remove(policies);
        await on.cluster.removeNamespaces([...new Set(pods.map(({ namespace }) => namespace))]);
      };
      await on.cluster.addPods(pods);
      const open = await computedReachability(on.controlPlane);
      const enforced = await computedReachability(on.controlPlane, policies);
      const { probes } = probesFor(enforced, planned, {
        outside: world.addresses,
        present: new Set(enforced.snapshot.workloads.map(({ id }) => id)),
      });
      const declared = probes.filter(({ group }) => group === "declared");
      const others = probes.filter(({ group }) => group !== "declared");

      // the traffic of the example, some rounds of it, then what nobody declared
      const rounds = await linesOf(async () => {
        for (let round = 0; round < 4; round += 1) {
          assert.deepEqual(closedOf(declared, await passes(declared, () => true)), []);
          await new Promise((resolve) => setTimeout(resolve, 1100));
        }
      });
      const besides = await linesOf(async () => {
        assert.deepEqual(closedOf(others, await passes(others, () => true)), []);
      });

      const { parts, names } = recordingOf(rounds, 0.3);
      assert.ok(parts !== undefined);
      const learned = learn(parts.earlier, { names, reachability: open });
      const proposed = learned.flows.flatMap(({ from, to, ports }) =>
        ports.map(
          ({ port: { port, protocol = "TCP" } }) => `${peerText(from)} > ${peerText(to)} ${protocol} ${String(port)}`,
        ),
      );
      const sent = declared.filter(({ isDns }) => isDns !== true).map(probeText);
      assert.deepEqual([...new Set(proposed)].sort(), [...new Set(sent)].sort());
      const meant = new Set(learn(parts.later, { names, reachability: open }).leftOut.map(({ class: each }) => each));
      const later = parts.later.filter((each) => !meant.has(each));
      assert.ok(later.length > 0 || sent.length === 0);
      const heldOut = judgeOf(withLearned(undefined, learned))(later);
      assert.deepEqual(
        heldOut.filter(({ effect }) => effect !== "still-allowed").map(({ reason }) => reason),
        [],
      );

      const judged = replay(recordingOf([...rounds, ...besides]).classes, enforced);
      const effects = probes.map((probe) => effectOf(judged, probe));
      const states = await on.cluster.apply(policies);
      assert.deepEqual(
        states.filter(({ state }) => state !== "enforced"),
        [],
      );
      const measured = await passes(probes, (_, index) => effects[index] === "still-allowed");
      const wrong = probes.flatMap((probe, index) => {
        const expected = measured[index] === true ? "still-allowed" : "would-be-denied";
        return effects[index] === expected
          ? []
          : [`${describeProbe(probe)}: ${effects[index] ?? "not recorded"}, is ${expected}`];
      });
      assert.deepEqual(wrong, []);
      const denied = effects.filter((each) => each === "would-be-denied").length;
      assert.ok(denied > 0);
      console.log(
        `      ${sent.length} declared probes learnt as ${learned.flows.length} flows; of ${probes.length} probes the replay would deny ${denied}, and so does the agent`,
      );
    });
  }
});

const closedOf = (probes: readonly Probe[], passed: readonly boolean[]): string[] =>
  probes.filter((_, index) => passed[index] !== true).map(describeProbe);

/** What the replay says about what a probe sent. */
function effectOf(judged: readonly ReplayedFlow[], probe: Probe): string | undefined {
  const is = (end: ReplayedFlow["source"], wanted: ProbeEnd): boolean =>
    wanted.kind === "workload"
      ? end.kind === "workload" && end.id === wanted.id
      : end.kind === "address" && end.address === wanted.address;
  const found = judged.filter(
    ({ source, destination, protocol, port }) =>
      port === probe.port &&
      protocol === probe.protocol &&
      is(source, probe.source) &&
      is(destination, probe.destination),
  );
  return found.length === 0 ? undefined : [...new Set(found.map(({ effect }) => effect))].join();
}
