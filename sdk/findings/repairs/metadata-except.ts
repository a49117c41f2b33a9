import { isMap, isSeq, type YAMLMap } from "yaml";
import { cidrInside, metadataCidrs } from "../../plan/addresses";
import { parseCidr } from "../../reachability";
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
        what: `leaves ${open.length} ${open.length === 1 ? "range" : "ranges"} of cloud metadata addresses out of ${cidr}`,
        mayClose: true,
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

/** The ranges that close metadata addresses within a range, without those that an exception of it closes already. */
function metadataIn(cidr: string, except: readonly string[]): string[] {
  if (parseCidr(cidr) === undefined) return [];
  const known = except.filter((range) => parseCidr(range) !== undefined);
  // an exception is a part of its range: the API server refuses one that is the whole of it
  return metadataCidrs
    .filter((range) => cidrInside(range, cidr) && !cidrInside(cidr, range))
    .filter((range) => !known.some((one) => cidrInside(range, one)));
}
