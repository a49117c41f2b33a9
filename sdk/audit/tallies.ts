/** Which drift each path is of: the cluster as it should be against the cluster as it is. */
import type { ObjectRef, PathDifference, Reachability } from "../reachability";
import { diff, isPolicy } from "../reachability";
import type { Candidate } from "./candidates";
import { keyOfRef } from "./identity";
import { PathTally, worstOf } from "./paths";
import { standInsFor } from "./stand-ins";
import type { AuditDrift, AuditInput } from "./types";
import { ask, deniedNamespace, type Enforcement, type World } from "./worlds";

/** So many paths of a drift are listed. */
export const usualExamples = 10;

/** The cluster twice. */
export interface Worlds {
  readonly asMeant: World;
  readonly asItIs: World;
  /** The second, ready for questions. */
  readonly now: Reachability;
}

/** The paths of each drift; where a drift opens none, those of pods that nobody runs yet. */
export function tallied(
  candidates: readonly Candidate[],
  { asMeant, asItIs, now }: Worlds,
  { meant: profile }: Enforcement,
  input: AuditInput,
): Tallies {
  const tallies = new Tallies(candidates, input.examples ?? usualExamples);
  if (candidates.length === 0) return tallies;
  tallies.addAll(diff(ask(asMeant, profile), now, holesOf(input)), new Map());
  const unmoved = candidates.filter((candidate) => tallies.of(candidate).isEmpty && isAboutPaths(candidate));
  if (unmoved.length === 0) return tallies;
  const emptyHomes = unmoved.flatMap(({ kind, object }) => (kind === "namespace-open" ? [object.name] : []));
  const { objects: pods, names } = standInsFor(unmoved, emptyHomes, profile);
  const options = { ...holesOf(input), workloads: [...names.keys()] };
  const differences = diff(ask(asMeant, profile, pods), ask(asItIs, profile, pods), options);
  tallies.addAll(differences, names, new Set(unmoved));
  return tallies;
}

function holesOf({ holes }: AuditInput): { readonly holes: { readonly before: boolean; readonly after: boolean } } {
  return { holes: { before: holes?.baseline === true, after: holes?.live === true } };
}

/** Whether a drift can open paths at all. */
function isAboutPaths({ kind, object }: Candidate): boolean {
  if (kind === "namespace-open") return true;
  if (kind === "namespace-changed") return false;
  return isPolicy(object.apiVersion, object.kind);
}

/** The paths of each drift. */
export class Tallies {
  readonly #byKey = new Map<string, Candidate>();
  readonly #tallies = new Map<Candidate, PathTally>();
  readonly #openByNamespace = new Map<string, Candidate>();

  constructor(
    candidates: readonly Candidate[],
    private readonly examples: number,
  ) {
    for (const candidate of candidates) {
      if (candidate.kind === "namespace-open") this.#openByNamespace.set(candidate.object.name, candidate);
      else this.#byKey.set(candidate.key, candidate);
    }
  }

  of(candidate: Candidate): PathTally {
    let tally = this.#tallies.get(candidate);
    if (tally === undefined) this.#tallies.set(candidate, (tally = new PathTally(this.examples)));
    return tally;
  }

  /** @param only Other drifts have their paths already. Default: all count. */
  addAll(
    differences: Iterable<PathDifference>,
    names: ReadonlyMap<string, string>,
    only?: ReadonlySet<Candidate>,
  ): void {
    for (const difference of differences) {
      const found = difference.causes.flatMap((cause) => this.#candidateOf(cause) ?? []);
      // a path that no drift is named for is not lost: every drift that may have opened it gets it
      const causes =
        found.length > 0 ? found : [...this.#byKey.values()].filter(({ kind }) => kind === "namespace-changed");
      for (const candidate of new Set(causes)) {
        if (only === undefined || only.has(candidate)) this.of(candidate).add(difference, (id) => names.get(id));
      }
    }
  }

  #candidateOf(cause: ObjectRef): Candidate | undefined {
    const namespace = deniedNamespace(cause);
    return namespace === undefined ? this.#byKey.get(keyOfRef(cause)) : this.#openByNamespace.get(namespace);
  }

  drift(candidate: Candidate): readonly AuditDrift[] {
    const tally = this.of(candidate);
    return candidate.needsPath === true && tally.isEmpty ? [] : [driftOf(candidate, tally)];
  }
}

const noPaths = { count: 0, examples: [] };

/** A drift with its paths, as bad as the worst of them. */
export function driftOf(candidate: Candidate, tally: PathTally | undefined): AuditDrift {
  const { kind, object, message, managers, fix, source, latent } = candidate;
  const effects = [...candidate.effects, ...(latent !== undefined && (tally?.opens.count ?? 0) === 0 ? [latent] : [])];
  return {
    kind,
    severity: worstOf(candidate.least, tally?.worst),
    object,
    message,
    effects,
    opens: tally?.opens ?? noPaths,
    closes: tally?.closes ?? noPaths,
    managers,
    requests: [],
    fix,
    ...(source === undefined ? {} : { source }),
  };
}
