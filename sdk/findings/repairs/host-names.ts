import { isScalar } from "yaml";
import { lineAt, pairOf, renamed, rewritten, startOf } from "./edits";
import type { Repairer } from "./types";
import { mapsAt, specsOf } from "./visit";

/** Names of hosts as Cilium takes them: without scheme and path, and a wildcard as a pattern. */
export const hostNames: Repairer = function* (each) {
  if (!/^Cilium(Clusterwide)?NetworkPolicy$/.test(each.kind)) return;
  for (const entry of specsOf(each).flatMap((spec) =>
    mapsAt(spec, "egress").flatMap((rule) => mapsAt(rule, "toFQDNs")),
  )) {
    const pair = pairOf(entry, "matchName");
    if (pair === undefined || !isScalar(pair.value) || entry.items.length !== 1) continue;
    const name = String((pair.value as { value: unknown }).value);
    const [, host] = /^https?:\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)+)\/?$/i.exec(name) ?? [];
    const isPattern = /^\*\.[a-z0-9-]+(\.[a-z0-9-]+)+$/i.test(name);
    if (host === undefined && !isPattern) continue;
    for (const rule of ["fqdn-matches-nothing", "not-understood"] as const) {
      yield {
        line: lineAt(each.text, startOf(pair)),
        rule,
        what: host === undefined ? `writes the name ${name} as a pattern` : `writes ${name} as the name of its host`,
        // the API server refuses the policy as it is: with the name it does what it says
        mayOpen: true,
        mayClose: true,
        edits: host === undefined ? renamed(each.text, pair, "matchPattern") : rewritten(each.text, pair.value, host),
      };
    }
  }
};
