/** What pods of Istio's ambient mode let in and out of each other: TCP is carried to port 15008. */
import type { Direction } from "../model/direction";
import { throughTunnel, tunnelledModes, type Mode } from "./tunnel";
import type { PodEndpoint } from "./endpoints";
import type { PodTable, RangeRegistry } from "./tables";
import { NO } from "../model/unknown";

export class TunnelTables {
  /** Pods by how they take part in the mesh; those that do not are left out. */
  readonly #members: readonly number[];
  readonly #known = new Map<PodTable, Map<string, PodTable>>();
  readonly #ambient: boolean;

  constructor(
    private readonly registry: RangeRegistry,
    private readonly pods: readonly PodEndpoint[],
  ) {
    const members: number[] = [];
    for (const [index, pod] of pods.entries()) if (pod.mesh !== undefined) members.push(index);
    this.#members = members;
    this.#ambient = pods.some(({ mesh }) => mesh !== undefined && mesh !== "sidecar");
  }

  /** The table with what passes through ztunnel in place of what policies see. */
  through(table: PodTable, direction: Direction, subject: PodEndpoint): PodTable {
    if (!this.#ambient || subject.mesh === undefined) return table;
    const name = `${direction} ${typeof subject.mesh === "string" ? subject.mesh : "?"}`;
    let byName = this.#known.get(table);
    if (byName === undefined) this.#known.set(table, (byName = new Map<string, PodTable>()));
    let result = byName.get(name);
    if (result === undefined) byName.set(name, (result = this.#build(table, direction, subject.mesh)));
    return result;
  }

  #build(table: PodTable, direction: Direction, subject: Mode): PodTable {
    const memo = new Map<string, number>();
    const carry = (range: number, peer: Mode): number => {
      const carried = direction === "egress" ? tunnelledModes(subject, peer) : tunnelledModes(peer, subject);
      if (carried === NO) return range;
      const key = `${range} ${carried}`;
      let result = memo.get(key);
      if (result === undefined) {
        result = this.registry.idOf(throughTunnel(this.registry.get(range), carried));
        memo.set(key, result);
      }
      return result;
    };
    const listed: number[] = [];
    const ranges: number[] = [];
    let at = 0;
    let member = 0;
    while (at < table.listed.length || member < this.#members.length) {
      const index = Math.min(table.listed[at] ?? Infinity, this.#members[member] ?? Infinity);
      const range = table.listed[at] === index ? (table.ranges[at++] as number) : table.base;
      if (this.#members[member] === index) member++;
      const carried = carry(range, this.pods[index]?.mesh);
      if (carried === table.base) continue;
      listed.push(index);
      ranges.push(carried);
    }
    return { base: table.base, listed: Int32Array.from(listed), ranges: Int32Array.from(ranges) };
  }
}
