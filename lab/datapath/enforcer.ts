/** What the lab needs of an enforcer, whichever it is: its word that policies are in force, and a look at its health. */
import type { LabObject } from "./objects";

/** A change of policies that is being made. */
export interface PolicyChange {
  /**
   * Resolves once every agent has taken note of the change and every pod enforces what is in force now. `made` are the
   * objects that the API server has created, replaced or deleted. Returns the uids of the policies that the agents hold;
   * undefined where they do not tell.
   * @throws DatapathError "not-enforced" where they do not get there, "failed" where an agent has ended
   */
  settled(made: readonly LabObject[]): Promise<ReadonlySet<string> | undefined>;
}

/** The agents of all nodes, as one. */
export interface Enforcer {
  /** To be called before objects are changed. */
  change(objects: readonly LabObject[]): Promise<PolicyChange>;
  /** Resolves once every pod enforces the policies of now. */
  settled(): Promise<void>;
  /** @throws DatapathError "failed" where an agent has ended or enforces nothing any more */
  check(): Promise<void>;
}

/**
 * Two enforcers of one cluster, on nodes of their own. The first is asked first: what it counts must not be what the second
 * makes of its own to be sure.
 */
export function bothEnforcers(first: Enforcer, second: Enforcer): Enforcer {
  return {
    change: async (objects) => {
      const one = await first.change(objects);
      const other = await second.change(objects);
      return {
        settled: async (made) => {
          await one.settled(made);
          await other.settled(made);
          // no list of policies would be one of both
          return undefined;
        },
      };
    },
    settled: async () => {
      await first.settled();
      await second.settled();
    },
    check: async () => {
      await first.check();
      await second.check();
    },
  };
}
