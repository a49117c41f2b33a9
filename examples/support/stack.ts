import * as pulumi from "@pulumi/pulumi";
import type { ClusterSecurityDeclaration, SecurityPosture, WorkloadDeclaration } from "../../sdk/index";
import { ClusterSecurity, Dialect } from "../../sdk/index";
import { exampleSettings } from "./settings";
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
}

/** Runs an example: first everything that protects, then what is protected. */
export function runExample({ name, declaration, applications, platform }: ExampleStack): ExampleOutputs {
  const settings = exampleSettings();
  const dialects = Object.values(Dialect);
  const dialect = new pulumi.Config("clusterSecurity").get<Dialect>("dialect", { allowedValues: dialects });
  const owned = new Set(applications.map(({ namespace }) => namespace));
  const security = new ClusterSecurity(name, {
    ...declaration,
    ...(dialect === undefined ? {} : { dialect }),
    namespaces: (declaration.namespaces ?? []).map((one) =>
      owned.has(one.name) || settings.standIns ? one : { ...one, existing: true },
    ),
  });
  for (const workload of settings.standIns ? [...platform, ...applications] : applications) {
    deploy(workload, { nodeless: settings.nodeless, dependsOn: [security] });
  }
  return { posture: security.posture };
}
