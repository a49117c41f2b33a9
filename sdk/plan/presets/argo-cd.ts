import { cidr, metrics, tcp, workload } from "../builders";
import type { ArgoCdService } from "./declarations";
import { calledBy, connect, named, reaches, sharedServices, usesApiServer } from "./parts";
import type { Preset } from "./preset";

/**
 * Argo CD: server (8080), repository server (8081), application controller, ApplicationSets (webhook 7000), Dex (5556,
 * 5557), notifications, Redis (6379) and the job that makes its password.
 */
export const argoCd: Preset<ArgoCdService> = {
  name: "argo-cd",
  title: "Argo CD",
  version: "Argo CD 3.1 (chart argo-cd 8)",
  sources: ["https://github.com/argoproj/argo-cd/tree/master/manifests/base"],
  options: {
    namespace: "text",
    gitHosts: "hosts",
    registries: "hosts",
    identityProviders: "hosts",
    notificationHosts: "hosts",
    remoteClusters: "ranges",
    serverFrom: "texts",
    dependsOn: "texts",
  },
  expand({ namespace = "argocd", ...options }) {
    const of = (component: string): string => `${namespace}/argocd-${component}`;
    const [server, repository, controller] = [of("server"), of("repo-server"), of("application-controller")];
    const [sets, dex, notifications] = [
      of("applicationset-controller"),
      of("dex-server"),
      of("notifications-controller"),
    ];
    const [redis, secretJob] = [of("redis"), of("redis-secret-init")];
    const component = (path: string, ports: ReturnType<typeof tcp>[]): ReturnType<typeof workload> =>
      workload(path, { labels: named(path.slice(path.indexOf("/") + 1)), ports });
    return {
      namespaces: sharedServices(namespace),
      workloads: [
        component(server, [tcp(8080, "server"), metrics(8083, "metrics")]),
        component(repository, [tcp(8081, "repo-server"), metrics(8084, "metrics")]),
        component(controller, [metrics(8082, "metrics")]),
        component(sets, [tcp(7000, "webhook"), metrics(8080, "metrics")]),
        component(dex, [tcp(5556, "http"), tcp(5557, "grpc"), metrics(5558, "metrics")]),
        component(notifications, [metrics(9001, "metrics")]),
        component(redis, [tcp(6379, "redis")]),
        component(secretJob, []),
      ],
      flows: [
        ...usesApiServer(server, repository, controller, sets, dex, notifications, secretJob),
        ...calledBy([server, controller, sets, notifications], repository, [tcp(8081)], "asks for rendered manifests"),
        ...calledBy([server, controller, repository], redis, [tcp(6379)], "caches"),
        connect(server, dex, [tcp(5556), tcp(5557)], "logs people in"),
        ...reaches(repository, options.gitHosts, "clones repositories", [tcp(443), tcp(22)]),
        ...reaches(sets, options.gitHosts, "asks for repositories and pull requests"),
        ...reaches(repository, options.registries, "fetches charts"),
        ...reaches(dex, options.identityProviders, "asks who somebody is"),
        ...reaches(notifications, options.notificationHosts, "sends notifications"),
        ...(options.remoteClusters ?? []).flatMap((range) =>
          [server, controller].map((client) =>
            connect(client, cidr(range), [tcp(443), tcp(6443)], "deploys to another cluster"),
          ),
        ),
        ...calledBy(options.serverFrom, server, [tcp(8080)], "people and webhooks open it"),
        ...calledBy(options.serverFrom, sets, [tcp(7000)], "forwards webhooks of Git hosts"),
      ],
    };
  },
};
