/** Every example with what it declares and what it deploys in a lab, for the suites that run over all of them. */
import * as fleet from "../../examples/fleet/declaration";
import * as kubernetesx from "../../examples/kubernetesx/declaration";
import { program as kubernetesxProgram } from "../../examples/kubernetesx/program";
import * as serviceIdentity from "../../examples/service-identity/declaration";
import { program as serviceIdentityProgram } from "../../examples/service-identity/program";
import * as shop from "../../examples/shop/declaration";
import { program as shopProgram } from "../../examples/shop/program";
import * as tenants from "../../examples/tenants/declaration";
import { program as tenantsProgram } from "../../examples/tenants/program";
import * as webApp from "../../examples/web-app/declaration";
import { program as webAppProgram } from "../../examples/web-app/program";
import * as zeroTrustTiers from "../../examples/zero-trust-tiers/declaration";
import { platformWorkloads, program as zeroTrustTiersProgram } from "../../examples/zero-trust-tiers/program";
import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";

/** One example. */
export interface Example {
  /** Its folder in examples/. */
  readonly name: string;
  readonly declaration: ClusterSecurityDeclaration;
  /** Everything that runs in a lab, stand-ins included. */
  readonly workloads: readonly WorkloadDeclaration[];
  /** The program for one cluster; `fleet` has two and a suite of its own. */
  readonly program?: () => Promise<object>;
}

/** All examples but `insecure`, whose holes are its purpose. */
export async function examples(): Promise<readonly Example[]> {
  const kx = await kubernetesx.declare(kubernetesx.builders());
  const both = (one: { applications: readonly WorkloadDeclaration[]; platform: readonly WorkloadDeclaration[] }) => [
    ...one.applications,
    ...one.platform,
  ];
  return [
    {
      name: "service-identity",
      declaration: serviceIdentity.declaration,
      workloads: both(serviceIdentity),
      program: serviceIdentityProgram,
    },
    { name: "web-app", declaration: webApp.declaration, workloads: both(webApp), program: webAppProgram },
    { name: "tenants", declaration: tenants.declaration, workloads: both(tenants), program: tenantsProgram },
    {
      name: "zero-trust-tiers",
      declaration: zeroTrustTiers.declaration,
      workloads: [...(zeroTrustTiers.declaration.workloads ?? []), ...platformWorkloads],
      program: zeroTrustTiersProgram,
    },
    { name: "shop", declaration: shop.declaration, workloads: both(shop), program: shopProgram },
    { name: "kubernetesx", declaration: kx, workloads: kx.workloads ?? [], program: kubernetesxProgram },
    { name: "fleet", declaration: fleet.declaration, workloads: both(fleet) },
  ];
}
