/** A cluster on its way from one enforcer to the other: one node with Calico, one with Cilium, the same declaration on both. */
import assert from "node:assert/strict";
import { Dialect, plan } from "../../sdk/index";
import type { LabObject, LabProbe, PodWish } from "../../lab/datapath/index";
import { skipWithoutCalico } from "./calico";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";
import { applications, declarationIn, podsOf } from "./shop";
import { describeProbe } from "./world";

const nodes = { calico: "lab-node-1", cilium: "lab-node-2" } as const;
type Place = keyof typeof nodes;
const places: readonly Place[] = ["calico", "cilium"];

/** Somebody whom no declaration mentions and no policy selects. */
const stranger: PodWish = { namespace: "stranger", name: "stranger", labels: { app: "stranger" } };

/** Each workload of the shop on each node, as a Deployment has its pods in the middle of a migration. */
const pods = places.flatMap((place) =>
  [...podsOf(applications), stranger].map((pod): PodWish & { readonly place: Place; readonly workload: string } => ({
    ...pod,
    name: `${pod.name}-on-${place}`,
    node: nodes[place],
    workload: pod.name,
    place,
  })),
);

/** What the shop declares between its own workloads: from, to, port. */
const declared = ["web api 9000", "api primary 5432", "api replica 5432"];

interface Way {
  readonly probe: LabProbe;
  readonly from: Place;
  readonly to: Place;
  readonly isDeclared: boolean;
}

const tcp = (from: string, to: string, port: number): LabProbe => ({ from, to, port, protocol: "tcp" });

/** Every pair of pods on every port that a workload has. */
const ways = pods.flatMap((source) =>
  pods
    .filter((target) => target !== source)
    .flatMap((target) =>
      [8080, 9000, 5432].map((port): Way => ({
        probe: {
          from: `${source.namespace}/${source.name}`,
          to: `${target.namespace}/${target.name}`,
          port,
          protocol: "tcp",
        },
        from: source.place,
        to: target.place,
        isDeclared: declared.includes(`${source.workload} ${target.workload} ${port}`),
      })),
    ),
);

describe("enforcement: a cluster between two enforcers", () => {
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    await skipWithoutCalico(this);
    on = await sharedDatapath({ cni: "calico", beside: "cilium" });
    for (const name of ["shop-front", "shop-back", "stranger"]) await on.cluster.namespace(name);
    await on.cluster.addPods(pods);
  });

  after(async () => {
    await on?.cluster.removePods(pods);
  });

  /** The ways that connect. Silence is doubted once where an answer may come: the machine may have been busy. */
  async function connecting(mayAnswer: (way: Way) => boolean): Promise<readonly Way[]> {
    const answering = async (some: readonly Way[], timeout: number): Promise<readonly Way[]> => {
      const outcomes = await on.cluster.probe(
        some.map(({ probe }) => probe),
        { timeout },
      );
      return some.filter((_way, index) => outcomes[index]?.verdict === "allowed");
    };
    const first = await answering(ways, 1000);
    return [
      ...first,
      ...(await answering(
        ways.filter((way) => mayAnswer(way) && !first.includes(way)),
        5000,
      )),
    ];
  }

  it("pods of both nodes reach each other where no policy is", async () => {
    const passing = await connecting(() => true);
    const failed = ways.filter((way) => !passing.includes(way));
    assert.deepEqual(
      failed.map(({ probe }) => describeProbe(probe)),
      [],
    );
  });

  /** Tries all ways under some policies; those that connect. */
  async function passingUnder(
    policies: readonly LabObject[],
    meanwhile?: () => Promise<void>,
  ): Promise<readonly Way[]> {
    try {
      await on.cluster.apply(policies);
      const passing = await connecting(({ isDeclared }) => isDeclared);
      await meanwhile?.();
      return passing;
    } finally {
      await on.cluster.remove(policies);
    }
  }

  const planned = (api: Dialect): LabObject[] =>
    plan(declarationIn(api)).documents.map(({ object }) => object as unknown as LabObject);

  /** How many of some ways go from where to where. */
  const counted = (some: readonly Way[]): Record<string, number> =>
    Object.fromEntries(
      places.flatMap((from) =>
        places.map((to) => [`${from} to ${to}`, some.filter((way) => way.from === from && way.to === to).length]),
      ),
    );

  const isBetweenStrangers = ({ probe }: Way): boolean =>
    probe.from.startsWith("stranger/") && probe.to.startsWith("stranger/");

  for (const apis of [[Dialect.Kubernetes], [Dialect.Calico, Dialect.Cilium]]) {
    it(`in ${apis.join(" and ")} what is declared passes on each node, and nothing from one to the other`, async () => {
      // each API's own form closes the namespaces that nobody declared, too
      const strangersAreClosed = !apis.includes(Dialect.Kubernetes);
      const outside = pods.flatMap(({ namespace, name, workload }) => {
        const pod = `${namespace}/${name}`;
        const open = workload === "stranger" && !strangersAreClosed;
        return [
          { probe: tcp("world:93.184.215.14", pod, 8080), opens: open || workload === "web" },
          { probe: tcp(pod, "10.99.0.10", 443), opens: open || workload === "api" },
        ];
      });
      const passing = await passingUnder(apis.flatMap(planned), async () => {
        const seen = await on.cluster.probe(
          outside.map(({ probe }) => probe),
          { timeout: 3000 },
        );
        const wrong = outside.filter(({ opens }, index) => (seen[index]?.verdict === "allowed") !== opens);
        assert.deepEqual(
          wrong.map(({ probe }) => describeProbe(probe)),
          [],
          "towards the world each node does what is declared",
        );
      });
      assert.deepEqual(counted(passing.filter(({ isDeclared }) => isDeclared)), {
        "calico to calico": 3,
        "calico to cilium": 0,
        "cilium to calico": 0,
        "cilium to cilium": 3,
      });
      const others = passing.filter((way) => !way.isDeclared && (strangersAreClosed || !isBetweenStrangers(way)));
      assert.deepEqual(
        others.map(({ probe }) => describeProbe(probe)),
        [],
      );
    });
  }
});
