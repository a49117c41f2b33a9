import { metrics, tcp, workload } from "../builders";
import type { RedisService } from "./declarations";
import { presetOwner } from "./expansion";
import { accountOf, calledBy, connect, named } from "./parts";
import type { Preset } from "./preset";

/**
 * Redis with Sentinel: replication (6379), Sentinels among themselves and asked by clients (26379), and by Redis, whose
 * replicas announce themselves.
 */
export const redis: Preset<RedisService> = {
  name: "redis",
  title: "Redis with Sentinel",
  version: "Redis 7 and 8",
  sources: ["https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/"],
  options: {
    namespace: "text",
    name: "text",
    labels: "labels",
    sentinelLabels: "labels",
    serviceAccount: "name",
    sentinel: "flag",
    clients: "texts",
    denyExternal: "flag",
    owner: "words",
  },
  required: ["namespace"],
  expand({ namespace, name = "redis", sentinel = true, denyExternal = true, ...options }) {
    const { labels, sentinelLabels, clients, owner = presetOwner } = options;
    const store = `${namespace}/${name}`;
    const sentinels = `${store}-sentinel`;
    const watched = sentinel
      ? [
          connect(sentinels, store, [tcp(6379)], "watches over the primary", owner),
          connect(store, sentinels, [tcp(26379)], "announces itself", owner),
          connect(sentinels, sentinels, [tcp(26379)], "agrees on a failover", owner),
          ...calledBy(clients, sentinels, [tcp(26379)], "asks for the primary", owner),
        ]
      : [];
    return {
      namespaces: [],
      workloads: [
        workload(store, {
          labels: labels ?? named(name, "redis"),
          ports: [tcp(6379, "redis"), metrics(9121, "exporter")],
          denyExternal,
          ...accountOf(options.serviceAccount),
        }),
        ...(sentinel
          ? [
              workload(sentinels, {
                labels: sentinelLabels ?? named(name, "sentinel"),
                ports: [tcp(26379, "sentinel")],
                denyExternal,
                ...accountOf(options.serviceAccount),
              }),
            ]
          : []),
      ],
      flows: [
        connect(store, store, [tcp(6379)], "replicates", owner),
        ...calledBy(clients, store, [tcp(6379)], "reads and writes", owner),
        ...watched,
      ],
    };
  },
};
