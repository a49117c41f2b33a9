/** Pods that are judged the same towards what lies outside the cluster, told by their policies. */
import type { Engine } from "../engine/engine";
import type { Peer } from "../model/verdicts";

/** Groups of sources and the destinations that they hold for. */
export interface AlikeOutwards {
  /** Sources with the same group are judged the same towards each of {@link isOutside}. Undefined: by itself. */
  groupOf(source: Peer): number | undefined;
  /** Whether a destination is an address or a name outside, whoever has it. */
  isOutside(destination: Peer): boolean;
}

/** In one engine: the same policies let the same out, unless a rule says something of the pod itself, or a mesh decides. */
export function alikeOutwards({ hasMesh, index, routes, snapshot }: Engine): AlikeOutwards {
  const isPlain = !hasMesh && (snapshot.waypoints?.uses.length ?? 0) === 0;
  const groups = new Map<object, number | undefined>();
  return {
    groupOf: (source) => {
      const [end, ...others] = isPlain ? routes.from(source) : [];
      if (end?.kind !== "pod" || others.length > 0) return undefined;
      const tiers = index.of(end).egress;
      if (!groups.has(tiers)) {
        const isOwn = tiers.some(({ rules }) => rules.some(({ rule }) => rule.own !== undefined));
        groups.set(tiers, isOwn ? undefined : groups.size);
      }
      return groups.get(tiers);
    },
    isOutside: (destination) => {
      const { direct, ports, anyPort } = routes.to(destination);
      return ports.length + anyPort.length === 0 && direct.length > 0 && direct.every(({ kind }) => kind === "world");
    },
  };
}
