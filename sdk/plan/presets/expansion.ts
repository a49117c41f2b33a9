import type { PropertyPath } from "../../property-path";
import type { FlowDeclaration, NamespaceDeclaration, WebhookDeclaration, WorkloadDeclaration } from "../declaration";
import type { Known } from "../inputs";

/** What a preset adds to the declaration: the same shapes a user would write by hand. */
export interface Expansion {
  /** Policies are named `tier1-<name>`. */
  readonly name: string;
  /** Where its options are in the declaration. */
  readonly path: PropertyPath;
  /** An application's own, in tier 2: its policies are named after its workloads, as if it were written by hand. */
  readonly isApplication?: boolean;
  readonly namespaces: readonly Known<NamespaceDeclaration>[];
  readonly workloads: readonly WorkloadDeclaration[];
  readonly flows: readonly FlowDeclaration[];
  readonly webhooks: readonly Known<WebhookDeclaration>[];
  readonly dependsOn: readonly string[];
  /** The workload that scrapes every declared metrics port. */
  readonly scraper?: string;
  /** Namespaces without a default deny until a day. */
  readonly undenied?: UndeniedNamespaces;
  /** Namespaces whose pods may ask DNS for these names only. */
  readonly dnsNames?: ReadonlyMap<string, readonly string[]>;
}

/** Namespaces without a default deny until a day; explicit denies stay in force there. */
interface UndeniedNamespaces {
  readonly namespaces: readonly string[];
  readonly existing: boolean;
  readonly reason: string;
  readonly owner: string;
  /** Last day. */
  readonly expires: string;
}

/** Who answers for what a preset declares. */
export const presetOwner = "platform";
