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
