/**
 * What ztunnel is told of PeerAuthentications, as istiod's own code builds it: keys of policies, and policies of groups of
 * rules of matches. Follows pilot/pkg/serviceregistry/ambient/authorization.go line by line; ztunnel's src/rbac.rs says how
 * they are matched.
 */
export type Mode = "UNSET" | "DISABLE" | "PERMISSIVE" | "STRICT";

export interface WorkloadPolicy {
  readonly mode: Mode | undefined;
  readonly ports: Readonly<Record<number, Mode>>;
}

/** One match: a connection fits if it has no identity where that is asked, and its port is (not) one of those listed. */
interface Match {
  readonly withoutPrincipal?: true;
  readonly port?: number;
  readonly notPort?: number;
}
/** Groups are or-ed, rules of a group and-ed. */
type Groups = readonly (readonly Match[])[];

const isUnset = (mode: Mode | undefined): boolean => mode === undefined || mode === "UNSET";

function converted(policy: WorkloadPolicy, ns: Mode | undefined | null, root: Mode | undefined | null): Groups {
  const ports = Object.entries(policy.ports).map(([port, mode]) => [Number(port), mode] as const);
  if (ports.length === 0) return [];
  const { mode } = policy;
  const rules: Match[] = mode === "STRICT" ? [{ withoutPrincipal: true }] : [];
  const groups: Match[][] = [];
  let foundNonStrict = false;
  for (const [port, each] of ports) {
    if (each === "STRICT") {
      const enforcedAbove =
        mode === "STRICT" ||
        (isUnset(mode) && ns !== null && ns === "STRICT") ||
        ((ns === null || isUnset(ns)) && root !== null && root === "STRICT");
      if (!enforcedAbove) groups.push([{ withoutPrincipal: true, port }]);
    } else if (each === "PERMISSIVE" || each === "DISABLE") {
      if (mode === "PERMISSIVE" || mode === "DISABLE") continue;
      const notStrictAbove =
        (ns !== null && ns !== "STRICT") ||
        (ns === null && root !== null && root !== "STRICT") ||
        (ns === null && root === null);
      if (isUnset(mode) && notStrictAbove) continue;
      foundNonStrict = true;
      rules.push({ notPort: port });
    }
  }
  if (mode === "STRICT" && !foundNonStrict) return [];
  const strictRoot = root === "STRICT" && (ns === null || isUnset(ns) || ns === "STRICT");
  if ((strictRoot || ns === "STRICT") && foundNonStrict) rules.push({ withoutPrincipal: true });
  return rules.length > 0 ? [...groups, rules] : groups;
}

/**
 * Whether ztunnel refuses a connection without an identity.
 *
 * @param policy the workload's own policy. @param ns the mode of the namespace's, null where it has none. @param root the mesh's.
 */
export function refusesPlaintext(
  policy: WorkloadPolicy,
  ns: Mode | undefined | null,
  root: Mode | undefined | null,
  port: number,
): boolean {
  let staticStrict = root === "STRICT";
  if (ns !== null && !isUnset(ns)) staticStrict = ns === "STRICT";
  if (policy.mode === "STRICT") staticStrict = true;
  if (policy.mode === "PERMISSIVE" || policy.mode === "DISABLE") staticStrict = false;
  const modes = Object.values(policy.ports);
  let own = false;
  if (modes.length > 0) {
    const has = (...wanted: Mode[]): boolean => modes.some((mode) => wanted.includes(mode));
    if (policy.mode === "STRICT") {
      if (has("PERMISSIVE", "DISABLE")) [own, staticStrict] = [true, false];
    } else if (!isUnset(policy.mode)) own = has("STRICT");
    else if (staticStrict) {
      if (has("PERMISSIVE")) [own, staticStrict] = [true, false];
    } else own = has("STRICT");
  }
  const fits = ({ port: only, notPort }: Match): boolean =>
    (only === undefined || only === port) && (notPort === undefined || notPort !== port);
  return staticStrict || (own && converted(policy, ns, root).some((rules) => rules.every(fits)));
}
