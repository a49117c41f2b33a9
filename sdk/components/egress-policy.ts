import * as pulumi from "@pulumi/pulumi";
import type { ArgumentCheck } from "./arguments";
import { checkArguments, isAnything, isFlag, isRequiredText, isText } from "./arguments";
import type { EgressDeclaration } from "../plan/index";
import { describePlannedPeer, planEgress } from "../plan/index";
import { lateFields, readPlan } from "./late-values";
import { afterCheck, registerPlan } from "./register";
import { typeToken } from "./type-tokens";

/** Arguments of `EgressPolicy`. */
export interface EgressPolicyArgs extends EgressDeclaration {
  /** Name of the policies in the cluster, a DNS label; workloads are appended. Defaults to the component's name. */
  policyName?: string;
  /**
   * Whether an update ends with a check of the live policies, and fails where their effect is not what is declared.
   * Defaults to true.
   */
  liveCheck?: boolean;
}

/** Summary of a deployed `EgressPolicy`. */
export interface EgressPosture {
  /** The dialect the policies are written in. */
  dialect: string;
  /** The namespace it is about. */
  namespace: string;
  /** Registered policies, as `name` or `namespace/name`. */
  policies: string[];
  /** Hosts and ranges that are open, as declared. */
  destinations: string[];
  /** What the policy API could not express: it stays denied. */
  warnings: string[];
}

const ownArguments: Readonly<Record<keyof EgressPolicyArgs, ArgumentCheck>> = {
  cluster: isAnything,
  dialect: isAnything,
  hosts: isAnything,
  liveCheck: isFlag,
  namespace: isRequiredText,
  policyName: isText,
  ranges: isAnything,
  reviewBy: isAnything,
  unsupported: isAnything,
  workloads: isAnything,
};

/**
 * What the pods of a namespace, or some workloads of it, may reach outside the cluster: named hosts, and ranges of
 * addresses with exceptions. DNS stays open to them; the metadata endpoints of every cloud are closed, IPv4 and IPv6 with
 * the mapped, NAT64 and 6to4 forms; whatever else they send needs another policy, such as those of `ServiceFlows`.
 *
 * @throws DeclarationError with everything that is wrong with the declaration, before anything is registered.
 */
export class EgressPolicy extends pulumi.ComponentResource {
  /** Registered policies, as `name` or `namespace/name`. */
  public readonly policies: pulumi.Output<string[]>;
  /** Hosts and ranges that are open, as declared. */
  public readonly destinations: pulumi.Output<string[]>;
  /** What the policy API cannot express: it stays denied. */
  public readonly warnings: pulumi.Output<string[]>;
  /** All of it in one object. */
  public readonly posture: pulumi.Output<EgressPosture>;

  constructor(name: string, args: EgressPolicyArgs, opts?: pulumi.ComponentResourceOptions) {
    checkArguments(args, opts, ownArguments, true);
    const { policyName, liveCheck, ...declaration } = args;
    const planned = readPlan(declaration, (declared) => planEgress(policyName ?? name, declared));
    const posture = lateFields(planned, ({ dialect, documents, flows, warnings }): EgressPosture => ({
      dialect,
      namespace: declaration.namespace,
      policies: documents.map(({ logicalName }) => logicalName),
      destinations: [...new Set(flows.map(({ to }) => describePlannedPeer(to)))],
      warnings: warnings.map(({ message }) => message),
    }));
    super(typeToken("EgressPolicy"), name, args, opts);
    const check = registerPlan(name, planned, this, [], { component: opts, liveCheck });
    this.posture = afterCheck(posture, check);
    this.policies = this.posture.policies;
    this.destinations = this.posture.destinations;
    this.warnings = this.posture.warnings;
    this.registerOutputs({
      policies: this.policies,
      destinations: this.destinations,
      warnings: this.warnings,
      posture: this.posture,
    });
  }
}
