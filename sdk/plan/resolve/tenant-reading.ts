/** A tenant as it was declared, before its flows are read. */
import type { PropertyPath } from "../../property-path";
import type { FlowDeclaration } from "../declaration";
import type { ModelTenant } from "../model";

/** What was read of a tenant; its exceptions are flows and are read with them. */
export interface TenantReading extends ModelTenant {
  readonly path: PropertyPath;
  readonly exceptions: readonly TenantExceptionReading[];
  readonly closeExpired: boolean;
  readonly limits: OutsideLimits;
  /** Further names that its pods may ask for; undefined where every name is open. */
  readonly dnsNames?: readonly string[];
}

/** An exception before its flow is read. */
interface TenantExceptionReading {
  readonly path: PropertyPath;
  readonly flow: FlowDeclaration | undefined;
  readonly expires: string | undefined;
}

/** Limits as they were declared; undefined where flows alone decide. */
export interface OutsideLimits {
  readonly egress?: {
    readonly hosts: readonly string[];
    readonly cidrs: readonly string[];
    readonly internet: boolean;
    /** Some of the hosts or ranges are not known yet: what they leave out cannot be said. */
    readonly isGuess: boolean;
  };
  readonly ingress?: {
    readonly cidrs: readonly string[];
    readonly internet: boolean;
    readonly gateway: boolean;
    /** Some of the ranges are not known yet. */
    readonly isGuess: boolean;
  };
}
