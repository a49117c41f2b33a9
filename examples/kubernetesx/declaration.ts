import * as kx from "@pulumi/kubernetesx";
import type { ClusterSecurityDeclaration } from "../../sdk/index";
import { declareWorkload, flow, namespace, port } from "../../sdk/index";

/** Workloads written once, with kubernetesx. */
export interface Builders {
  readonly web: kx.PodBuilder;
  readonly cache: kx.PodBuilder;
  readonly cleanup: kx.PodBuilder;
}

/** A web server, its cache, and a job that empties the cache. */
export function builders(): Builders {
  return {
    web: new kx.PodBuilder({
      serviceAccountName: "web",
      containers: [{ image: "nginx:1.29-alpine", ports: { http: 8080 } }],
    }),
    cache: new kx.PodBuilder({ containers: [{ image: "redis:8-alpine", ports: { redis: 6379 } }] }),
    cleanup: new kx.PodBuilder({ containers: [{ image: "valkey:8-alpine" }], restartPolicy: "Never" }),
  };
}

/** The declaration reads labels, ports and service accounts off the builders. */
export async function declare({ web, cache, cleanup }: Builders): Promise<ClusterSecurityDeclaration> {
  return {
    namespaces: [namespace("kx-demo")],
    workloads: [
      await declareWorkload("kx-demo/web", web),
      await declareWorkload("kx-demo/cache", cache),
      await declareWorkload("kx-demo/cleanup", { spec: cleanup.asJobSpec() }),
    ],
    flows: [
      flow("web").to("cache").on(port("redis")).because("keeps sessions").ownedBy("web"),
      flow("cleanup").to("cache").on(port("redis")).because("drops old sessions").ownedBy("web"),
    ],
  };
}
