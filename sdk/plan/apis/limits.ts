import type { EnforcerProfile } from "../../reachability/index";

/** What the policies of an API can express. */
export interface PolicyApiLimits {
  /** An explicit deny that no other policy opens again. */
  readonly finalDeny: boolean;
  /** A workload can be told apart by its service account, beside its labels. */
  readonly serviceAccounts: boolean;
  /** The DNS names that pods may ask for can be limited. */
  readonly limitsDnsNames: boolean;
  /** The first version, major and minor, whose rules carry a mark that recorded flows repeat. Absent: none does. */
  readonly marksFlowsSince?: readonly [major: number, minor: number];
  /** Every policy has a staged kind: evaluated and reported, not enforced. */
  readonly staged: boolean;
  /** One object that closes the metadata endpoints has room for a workload that may reach one of them. */
  readonly metadataAccessInGuard: boolean;
  /** Settings of the enforcer under which it enforces the API. Absent: it always does. */
  readonly enforcedWith?: Partial<EnforcerProfile>;
}
