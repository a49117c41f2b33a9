import type { Topic } from "./topics";
import type { Observation, ObservedPath } from "./observations";
import { absent, type Evidence, type EvidenceState } from "./types";

/** What observations show on a topic. @param tenantOf the tenant of an end `ns/name[Kind]`, where it has one */
export function observedEvidence(
  topic: Topic,
  observations: readonly Observation[],
  tenantOf: (end: string) => string | undefined,
): Evidence {
  if (observations.length === 0) return absent("nothing observed was given");
  const found = observations.flatMap((observation) => {
    const evidence =
      observation.kind === "verify" ? verified(topic, observation, tenantOf) : replayed(topic, observation);
    return evidence === undefined ? [] : [{ ...evidence, at: observation.at }];
  });
  const [first, ...rest] = found;
  if (first === undefined) return absent("neither packets nor recorded flows show anything about it");
  return rest.reduce(
    (sum, each) => ({
      state: worse(sum.state, each.state),
      text: `${sum.text}; ${each.text}`,
      // the older one: what is said here is as old as the oldest part of it
      at: sum.at < each.at ? sum.at : each.at,
    }),
    first,
  );
}

const order: readonly EvidenceState[] = ["fails", "undecided", "holds", "absent"];

function worse(a: EvidenceState, b: EvidenceState): EvidenceState {
  return order.indexOf(a) <= order.indexOf(b) ? a : b;
}

function verified(
  topic: Topic,
  { canary, paths, missing }: Observation,
  tenantOf: (end: string) => string | undefined,
): Evidence | undefined {
  if (topic === "enforcement") return enforcement(canary, missing);
  const chosen = paths.filter((path) => isAbout(topic, path, tenantOf));
  if (canary !== true) {
    return isProbed(topic)
      ? { state: "undecided", text: "the canary was not blocked, so no probe proves anything" }
      : undefined;
  }
  if (chosen.length === 0) return undefined;
  const wrong = chosen.filter(({ holds }) => holds === false);
  const unproved = chosen.filter(({ holds }) => holds === undefined);
  const first = wrong[0];
  if (first !== undefined) {
    return {
      state: "fails",
      text: `${wrong.length} of ${chosen.length} probes did not do what they must, such as ${describePath(first)}`,
    };
  }
  if (unproved.length > 0) {
    return { state: "undecided", text: `${unproved.length} of ${chosen.length} probes proved nothing` };
  }
  return { state: "holds", text: `${chosen.length} of ${chosen.length} probes did what they must` };
}

function isProbed(topic: Topic): boolean {
  return ["default-deny", "metadata", "flows", "boundary", "tenants"].includes(topic);
}

function enforcement(canary: boolean | undefined, missing: readonly string[]): Evidence {
  if (canary === undefined)
    return { state: "undecided", text: "the canary's pods did not connect even where they may" };
  if (!canary) return { state: "fails", text: "a deny-all does not block: the cluster does not enforce policies" };
  if (missing.length > 0) {
    return { state: "fails", text: `a deny-all blocks, but ${missing.length} declared policies are missing` };
  }
  return { state: "holds", text: "a deny-all blocks, tried with packets" };
}

function isAbout(topic: Topic, path: ObservedPath, tenantOf: (end: string) => string | undefined): boolean {
  const { group, source, destination, expected } = path;
  switch (topic) {
    case "metadata":
      return group === "metadata";
    case "flows":
      return group === "declared";
    case "default-deny":
      return group === "undeclared" && expected === "denied";
    case "boundary":
      return group !== "metadata" && [source, destination].some((end) => !end.includes("/"));
    case "tenants": {
      const [from, to] = [tenantOf(source), tenantOf(destination)];
      return expected === "denied" && from !== undefined && to !== undefined && from !== to;
    }
    default:
      return false;
  }
}

function replayed(topic: Topic, { paths, attempts }: Observation): Evidence | undefined {
  if (topic === "monitoring") {
    return attempts === 0
      ? undefined
      : { state: "holds", text: `flows are recorded: ${attempts} attempts of ${paths.length} kinds were read` };
  }
  if (topic !== "flows" && topic !== "default-deny") return undefined;
  const passed = paths.filter(({ expected, holds }) => expected === "denied" && holds === false);
  const open = paths.filter(({ holds }) => holds === undefined).length;
  const first = passed[0];
  if (first !== undefined) {
    return {
      state: "fails",
      text: `${passed.length} kinds of recorded flows passed that the policies deny, such as ${describePath(first)}`,
    };
  }
  if (open > 0) return { state: "undecided", text: `${open} kinds of recorded flows cannot be judged` };
  return { state: "holds", text: "no recorded flow passed that the policies deny" };
}

/** `shop/web[Deployment] to 169.254.169.254 TCP 80`. */
function describePath({ source, destination, protocol, port }: ObservedPath): string {
  return `${source} to ${destination} ${protocol} ${port}`;
}
