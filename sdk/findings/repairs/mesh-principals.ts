import { lineAt, rewritten } from "./edits";
import type { Repairer } from "./types";
import { specsOf, valuesBelow } from "./visit";

/** A principal with the scheme of the certificate, which Istio writes without: `cluster.local/ns/shop/sa/web`. */
export const meshPrincipals: Repairer = function* (each) {
  if (each.kind !== "AuthorizationPolicy" || !each.apiVersion.startsWith("security.istio.io/")) return;
  for (const spec of specsOf(each)) {
    for (const { field, scalar } of valuesBelow(spec)) {
      const { value } = scalar;
      if (!/^(notP|p)rincipals$/.test(field) || typeof value !== "string") continue;
      const [, right] = /^spiffe:\/\/([^/]+\/ns\/[^/]+\/sa\/[^/]+)$/.exec(value) ?? [];
      if (right === undefined) continue;
      yield {
        line: lineAt(each.text, scalar.range?.[0] ?? 0),
        rule: "mesh-peer-matches-nobody",
        what: `writes the principal ${value} without spiffe://`,
        mayOpen: true,
        ...(field === "notPrincipals" || each.object["spec"] === undefined ? { mayClose: true } : {}),
        edits: rewritten(each.text, scalar, right),
      };
    }
  }
};
