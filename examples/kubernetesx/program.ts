import * as k8s from "@pulumi/kubernetes";
import * as kx from "@pulumi/kubernetesx";
import { ClusterSecurity } from "../../sdk/index";
import { exampleSettings, existingCni, inDialect } from "../support/settings";
import type { ExampleOutputs } from "../support/stack";
import { builders, declare } from "./declaration";

/** The stack: policies from what the builders say, then what the builders build. */
export async function program(): Promise<ExampleOutputs> {
  const settings = exampleSettings();
  const built = builders();
  const security = new ClusterSecurity("kubernetesx", {
    ...existingCni(settings),
    defaultDeny: { allowRemoval: settings.mayUncoverOthers },
    ...inDialect(await declare(built), settings),
  });

  const account = new k8s.core.v1.ServiceAccount(
    "web",
    { metadata: { name: "web", namespace: "kx-demo" } },
    { dependsOn: [security] },
  );
  const metadata = (name: string): k8s.types.input.meta.v1.ObjectMeta => ({
    name,
    namespace: "kx-demo",
  });
  const options = { dependsOn: [security, account] };
  new kx.Deployment("web", { metadata: metadata("web"), spec: built.web.asDeploymentSpec() }, options);
  new kx.Deployment("cache", { metadata: metadata("cache"), spec: built.cache.asDeploymentSpec() }, options);
  new kx.Job("cleanup", { metadata: metadata("cleanup"), spec: built.cleanup.asJobSpec() }, options);
  return { posture: security.posture };
}
