import type * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityDeclaration, SecurityPosture, WorkloadDeclaration } from "../../sdk/index";
import { ClusterSecurity } from "../../sdk/index";
import type { ExampleSettings } from "./settings";
import { exampleSettings, inDialect } from "./settings";
import { deploy } from "./workloads";

/** What an example hands to the programs that run it. */
export interface ExampleOutputs {
  posture: pulumi.Output<SecurityPosture>;
}

/** What an example stack is made of. */
export interface ExampleStack {
  /** Name of the `ClusterSecurity` component. */
  readonly name: string;
  /** The declaration; its dialect is what `clusterSecurity:dialect` defaults to. */
  readonly declaration: ClusterSecurityDeclaration;
  /** Workloads the stack owns. */
  readonly applications: readonly WorkloadDeclaration[];
  /** Workloads that a real cluster has already; deployed as placeholders where the cluster has none of it. */
  readonly platform: readonly WorkloadDeclaration[];
  /** The cluster, where it is not the default provider's. */
  readonly cluster?: { readonly name: string; readonly provider: k8s.Provider };
}

/** Runs an example in the dialect that the stack's configuration asks for. */
export function runExample(stack: ExampleStack): ExampleOutputs {
  const settings = exampleSettings();
  return protect({ ...stack, declaration: inDialect(stack.declaration, settings) }, settings);
}

/** First everything that protects, then what is protected. */
export function protect(stack: ExampleStack, settings: ExampleSettings): ExampleOutputs {
  const { name, declaration, applications, platform, cluster } = stack;
  const owned = new Set(applications.map(({ namespace }) => namespace));
  const security = new ClusterSecurity(
    name,
    {
      ...declaration,
      namespaces: (declaration.namespaces ?? []).map((one) =>
        owned.has(one.name) || settings.standIns ? one : { ...one, existing: true },
      ),
      defaultDeny: { allowRemoval: settings.mayUncoverOthers },
    },
    cluster === undefined ? {} : { provider: cluster.provider },
  );
  for (const workload of settings.standIns ? [...platform, ...applications] : applications) {
    deploy(workload, {
      dependsOn: [security],
      ...(cluster === undefined ? {} : { cluster }),
    });
  }
  return { posture: security.posture };
}
