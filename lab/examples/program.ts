/** The program that the lab runs for an example: its file as it is, and pods for the workloads that are only declared. */
import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityArgs } from "../../sdk/index";
import { ClusterSecurity, CniKind, Dialect } from "../../sdk/index";
import { outputsOf, runFile } from "./file";
import type { ExampleFolder } from "./names";
import { missingWorkloads } from "./stand-ins";
import { deploy } from "./workloads";

/** What the lab changes about an example. */
export interface ExampleChanges {
  /** API of the policies. Defaults to the example's own. */
  readonly dialect?: Dialect;
  /** What installs the CNI. Defaults to the example's own. */
  readonly cni?: ClusterSecurityArgs["cni"];
  /** Whether the workloads that are only declared run as pods. Defaults to true. */
  readonly standIns?: boolean;
  /**
   * Consent that destroying the stack takes the default deny away from workloads of others. Defaults to true: the lab has
   * none.
   */
  readonly allowRemoval?: boolean;
}

/** An example's program, for Pulumi's Automation API and for mocks. Each call runs the file anew. */
export function exampleProgram(
  example: ExampleFolder,
  changes: ExampleChanges = {},
): () => Promise<Record<string, unknown>> {
  return async () => {
    const made: Made[] = [];
    class InLab extends ClusterSecurity {
      constructor(name: string, args: ClusterSecurityArgs, opts?: pulumi.ComponentResourceOptions) {
        super(name, changed(args, changes), opts);
        made.push({ name, args, ...(opts?.provider && { provider: opts.provider as k8s.Provider }), component: this });
      }
    }
    const outputs = await outputsOf(runFile(example, InLab));
    if (changes.standIns ?? true) {
      for (const { name, args, provider, component } of made) {
        for (const workload of missingWorkloads(example, args)) {
          deploy(workload, { dependsOn: [component], ...(provider && { cluster: { name, provider } }) });
        }
      }
    }
    return { ...outputs };
  };
}

interface Made {
  readonly name: string;
  readonly args: ClusterSecurityArgs;
  readonly provider?: k8s.Provider;
  readonly component: ClusterSecurity;
}

function changed(args: ClusterSecurityArgs, changes: ExampleChanges): ClusterSecurityArgs {
  const { cni: own, ...declared } = args;
  const dialect = changes.dialect ?? args.dialect ?? Dialect.Cilium;
  const cni = changes.cni ?? (own?.existing === true ? enforcerOf(dialect) : own);
  return {
    ...declared,
    ...(args.dialect === undefined && changes.dialect === undefined ? {} : { dialect }),
    ...(cni === undefined ? {} : { cni }),
    ...((changes.allowRemoval ?? true) ? { defaultDeny: { ...args.defaultDeny, allowRemoval: true } } : {}),
  };
}

/** The enforcer that is there, where the policies are of its own API; others are read by several. */
function enforcerOf(dialect: Dialect): ClusterSecurityArgs["cni"] {
  if (dialect === Dialect.Cilium) return { existing: true };
  return dialect === Dialect.Calico ? { kind: CniKind.Calico, existing: true } : undefined;
}
