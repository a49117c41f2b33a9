/** What the suites with random sets of policies share: their clusters, their sum, and what becomes of a disagreement. */
import assert from "node:assert/strict";
import type { ControlPlane } from "../../lab/control-plane/index";
import type { LabCluster, LabObject, LabProbe } from "../../lab/datapath/index";
import type { OracleCluster } from "../oracle/cluster";
import type { Agreement, CompareOptions } from "./agreement";
import { compareOnDatapath, describeDisagreements } from "./agreement";
import { saveCase } from "./cases";
import { shrink } from "./shrink";
import type { LabWorld } from "./world";

/** A cluster of the property tests, to be put up on the lab. */
export function worldOf({ namespaces, pods }: OracleCluster): LabWorld {
  return {
    namespaces,
    pods: pods.map(({ namespace, name, labels, serviceAccount, ports }) => ({
      namespace,
      name,
      labels,
      serviceAccount,
      // the API server takes a name once in a container, whatever the protocol
      ports: ports.filter(({ name }, index) => !name || ports.findIndex((each) => each.name === name) === index),
    })),
  };
}

/** What a run found, over all its sets. */
export class Tally {
  compared = 0;
  allowed = 0;
  private open = 0;
  private slow = 0;
  private stale = 0;
  private sets = 0;
  private readonly states = { enforced: 0, refused: 0, stored: 0 };
  readonly wrong: string[] = [];

  count(agreement: Agreement): void {
    this.sets += 1;
    for (const key of ["compared", "allowed", "open", "slow", "stale"] as const) this[key] += agreement[key];
    for (const { state } of agreement.states) this.states[state] += 1;
  }

  report(): void {
    const { refused, stored } = this.states;
    console.log(
      `      ${this.sets} sets, ${this.compared} probes compared (${this.allowed} connected), ` +
        `${this.open} left open by the engine, ${this.slow} slow, ${this.stale} stale; ` +
        `${refused} policies refused by the API server, ${stored} by the agent`,
    );
  }

  /** A run in which nothing connects, nothing is dropped or nothing is decided proves nothing. */
  mustProve(most: number): void {
    assert.deepEqual(this.wrong, []);
    assert.ok(this.allowed > this.compared / 20, "probes connect");
    assert.ok(this.allowed < this.compared, "probes are dropped");
    assert.ok(this.open < this.compared * most, `the engine decides: ${this.open} of ${this.compared} are left open`);
  }
}

/** A set of policies in its cluster, with what was tried. */
export interface TriedSet {
  readonly world: LabWorld;
  readonly policies: readonly LabObject[];
  readonly probes: readonly LabProbe[];
}

/**
 * Saves what disagrees as a case, and of its policies only what it takes to disagree.
 * @returns one line about it
 */
export async function saveDisagreement(
  on: { readonly cluster: LabCluster; readonly controlPlane: ControlPlane },
  name: string,
  { world, policies, probes }: TriedSet,
  { disagreements, measured }: Agreement,
  options: CompareOptions = {},
): Promise<string> {
  const few = disagreements.slice(0, 3).map(({ probe }) => probe);
  const smallest = await shrink(policies, few, (some, tried) => compareOnDatapath(on, some, tried, options), 40);
  const again = smallest === policies ? measured : (await compareOnDatapath(on, smallest, probes, options)).measured;
  const { nodes } = on.cluster;
  const file = saveCase(name, {
    title: `random set ${name}`,
    ...(nodes[0]?.enforcer === "calico" ? { cni: "calico" } : {}),
    ...(nodes.length > 1 ? { nodes: nodes.length } : {}),
    world,
    policies: smallest,
    ...(options.ask ? { asked: options.ask.names } : {}),
    probes: probes.map((probe, position) => ({ ...probe, measured: again[position] ?? "not tried" })),
  });
  const lines = describeDisagreements(disagreements);
  return `${file}: ${disagreements.length} of ${probes.length}; ${lines.slice(0, 3).join("; ")}`;
}

/** Whether a policy's namespace is there. */
export function hasPlace({ metadata }: LabObject, namespaces: LabWorld["namespaces"]): boolean {
  return metadata.namespace === undefined || namespaces.some(({ name }) => name === metadata.namespace);
}
