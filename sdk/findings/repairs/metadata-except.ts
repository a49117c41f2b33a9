import { isMap, isSeq, type YAMLMap } from "yaml";
import { metadataEndpoints, parseAddress, parseCidr } from "../../reachability";
import { addedAfter, appended, lineAt, pairOf } from "./edits";
import type { Repairer } from "./types";
import { mapsAt, specsOf, valueAt } from "./visit";

/** A range of an egress rule that holds cloud metadata addresses: they are left out with `except`. */
export const metadataExcept: Repairer = function* (each) {
  for (const spec of specsOf(each)) {
    for (const block of mapsAt(spec, "egress").flatMap((rule) => blocksOf(rule, each.kind))) {
      const cidr = valueAt(block, "cidr");
      const pair = pairOf(block, "cidr");
      if (typeof cidr !== "string" || pair === undefined) continue;
      const open = metadataIn(cidr, exceptionsOf(block));
      const list: unknown = block.get("except", true);
      if (open.length === 0 || (list !== undefined && !isSeq(list))) continue;
      yield {
        line: lineAt(each.text, pair.key.range?.[0] ?? 0),
        rule: "metadata-endpoints-closed",
        what: `leaves ${open.length} cloud metadata addresses out of ${cidr}`,
        edits:
          isSeq(list) && list.items.length > 0
            ? appended(each.text, list, open)
            : list === undefined
              ? addedAfter(each.text, block, pair, "except", open)
              : [],
      };
    }
  }
};

function blocksOf(rule: YAMLMap, kind: string): YAMLMap[] {
  if (kind === "NetworkPolicy") {
    return mapsAt(rule, "to").flatMap((peer) => {
      const block: unknown = peer.get("ipBlock", true);
      return isMap(block) ? [block] : [];
    });
  }
  return /^Cilium(Clusterwide)?NetworkPolicy$/.test(kind) ? mapsAt(rule, "toCIDRSet") : [];
}

function exceptionsOf(block: YAMLMap): string[] {
  const list: unknown = block.get("except", true);
  return isSeq(list) ? list.items.map((item) => String((item as { value?: unknown }).value)) : [];
}

/** The metadata addresses of a range that no exception of it holds, as ranges of one address. */
function metadataIn(cidr: string, except: readonly string[]): string[] {
  return metadataEndpoints
    .filter(({ address }) => holds(cidr, address) && !except.some((range) => holds(range, address)))
    .map(({ address, family }) => `${address}/${family === 4 ? 32 : 128}`);
}

function holds(cidr: string, address: string): boolean {
  const [range, point] = [parseCidr(cidr), parseAddress(address)];
  return (
    range !== undefined &&
    point !== undefined &&
    range.family === point.family &&
    range.from <= point.value &&
    point.value <= range.to
  );
}
