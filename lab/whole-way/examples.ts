/** The examples that run on the lab's datapath, each with its declaration and its program. */
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
import { program as zeroTrustTiersProgram } from "../../examples/zero-trust-tiers/program";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import type { ExampleName } from "./example-names";

/** One example, ready to be deployed. */
export interface DeployableExample {
  /** Its folder in examples/. */
  readonly name: string;
  readonly declaration: ClusterSecurityDeclaration;
  readonly program: () => Promise<object>;
}

type Parts = readonly [() => Promise<ClusterSecurityDeclaration>, () => Promise<object>];

const parts: Readonly<Record<ExampleName, Parts>> = {
  "zero-trust-tiers": [() => Promise.resolve(zeroTrustTiers.declaration), zeroTrustTiersProgram],
  "web-app": [() => Promise.resolve(webApp.declaration), webAppProgram],
  "service-identity": [() => Promise.resolve(serviceIdentity.declaration), serviceIdentityProgram],
  tenants: [() => Promise.resolve(tenants.declaration), tenantsProgram],
  shop: [() => Promise.resolve(shop.declaration), shopProgram],
  // its declaration is written with builders of a library that is loaded on demand
  kubernetesx: [() => kubernetesx.declare(kubernetesx.builders()), kubernetesxProgram],
};

export async function loadExample(name: ExampleName): Promise<DeployableExample> {
  const [declare, program] = parts[name];
  return { name, declaration: await declare(), program };
}
