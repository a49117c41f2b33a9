import { metrics, tcp, workload } from "../builders";
import type { FluxService } from "./declarations";
import { calledBy, connect, reaches, sharedServices, usesApiServer } from "./parts";
import type { Preset } from "./preset";

const appliers = ["kustomize-controller", "helm-controller", "image-automation-controller"];
const controllers = ["source-controller", "notification-controller", "image-reflector-controller", ...appliers];

/**
 * Flux: artifacts from the source controller (9090), events to the notification controller (9090), webhooks of Git hosts
 * (9292), metrics (8080).
 */
export const flux: Preset<FluxService> = {
  name: "flux",
  title: "Flux",
  version: "Flux 2.7",
  sources: [
    "https://fluxcd.io/flux/flux-e2e/",
    "https://github.com/fluxcd/flux2/tree/main/manifests/policies",
    "https://github.com/fluxcd/notification-controller/tree/main/config",
  ],
  options: {
    namespace: "text",
    gitHosts: "hosts",
    registries: "hosts",
    notificationHosts: "hosts",
    webhooksFrom: "texts",
    dependsOn: "texts",
  },
  expand({ namespace = "flux-system", gitHosts, registries, notificationHosts, webhooksFrom }) {
    const of = (name: string): string => `${namespace}/${name}`;
    const source = of("source-controller");
    const notifications = of("notification-controller");
    const served: Readonly<Record<string, ReturnType<typeof tcp>[]>> = {
      "source-controller": [tcp(9090, "http")],
      "notification-controller": [tcp(9090, "http"), tcp(9292, "http-webhook")],
    };
    return {
      namespaces: sharedServices(namespace),
      workloads: controllers.map((name) =>
        workload(of(name), { labels: { app: name }, ports: [...(served[name] ?? []), metrics(8080, "http-prom")] }),
      ),
      flows: [
        ...usesApiServer(...controllers.map(of)),
        ...appliers.map((name) => connect(of(name), source, [tcp(9090)], "fetches artifacts")),
        ...controllers
          .filter((name) => name !== "notification-controller")
          .map((name) => connect(of(name), notifications, [tcp(9090)], "reports events")),
        ...reaches(source, gitHosts, "clones repositories", [tcp(443), tcp(22)]),
        ...reaches(of("image-automation-controller"), gitHosts, "pushes commits", [tcp(443), tcp(22)]),
        ...reaches(source, registries, "fetches charts and artifacts"),
        ...reaches(of("image-reflector-controller"), registries, "lists image tags"),
        ...reaches(notifications, notificationHosts, "sends notifications"),
        ...calledBy(webhooksFrom, notifications, [tcp(9292)], "forwards webhooks of Git hosts"),
      ],
    };
  },
};
