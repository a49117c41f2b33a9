/** Questions about connections that pass for some HTTP requests only. */
import { buildSnapshot, compile, describeRef, httpRules, readHttp } from "../reachability";
import type { Flow, Verdict } from "../reachability";
import type { Loaded } from "./snapshot";

/** An answer to a question about a connection. */
export interface HttpAnswer {
  readonly verdict: Verdict;
  /** The requests for which it is allowed, as words: `GET /x only`. Nothing: for all, or HTTP plays no part. */
  readonly condition?: string;
}

/** The verdict on a flow; one that some requests pass is allowed on a condition, whichever policy API looks at them. */
export function answerFor(loaded: Loaded, flow: Flow): HttpAnswer {
  const verdict = loaded.reachability.verdict(flow);
  if (verdict === "denied" || !loaded.snapshot.policies.some(({ object }) => httpRules(object).length > 0)) {
    return { verdict };
  }
  const [most, least] = (["most", "least"] as const).map((reading): Verdict => {
    const objects = loaded.objects.map((each) => ({ ...each, object: readHttp(each.object, reading) }));
    return compile(buildSnapshot(objects, { profile: loaded.snapshot.profile })).verdict(flow);
  });
  if (most === least || most !== "allowed") return { verdict };
  const condition = conditionOf(loaded, flow);
  // of a policy that is refused no rule is on the way
  return condition === "" ? { verdict } : { verdict: "allowed", condition };
}

/** The requests that the rules on the way are about. */
function conditionOf({ reachability }: Loaded, flow: Flow): string {
  const { egress, ingress, mesh } = reachability.explain(flow);
  const steps = [egress, ingress, ...(mesh === undefined ? [] : [mesh])].flatMap(({ chain }) => chain);
  const texts = steps.flatMap(({ rule, outcome }) => {
    if (outcome === "not-matched") return [];
    const object = reachability.snapshot.policies.find(
      (each) => describeRef(each) === describeRef(rule.policy),
    )?.object;
    const rules = object === undefined ? [] : httpRules(object);
    return rules
      .filter(({ path }) => path === rule.path || rule.path.startsWith(`${path}.`) || path.startsWith(`${rule.path}.`))
      .map(({ requests, denies }) => (denies ? `all but ${requests}` : `${requests} only`));
  });
  return [...new Set(texts)].join(", ");
}

/** Lines that say which rules let only some requests pass, for answers that show connections. */
export function httpNotes({ snapshot }: Loaded): string[] {
  return snapshot.policies.flatMap((policy) =>
    httpRules(policy.object).map(
      ({ path, requests, denies }) =>
        `${describeRef(policy)} ${path} ${denies ? "denies" : "allows"} only some HTTP requests: ${requests}`,
    ),
  );
}
