import { kubeApiserver, metrics, tcp, workload } from "../builders";
import type { PostgresqlService } from "./declarations";
import { presetOwner } from "./expansion";
import { accountOf, calledBy, connect, reaches } from "./parts";
import type { Preset } from "./preset";

/**
 * PostgreSQL with Patroni: clients on 5432; replication, Patroni's REST API (8008) and nothing else between its own pods;
 * its state in the Kubernetes API. PgBouncer before it opens connections of its own.
 */
export const postgresql: Preset<PostgresqlService> = {
  name: "postgresql",
  title: "PostgreSQL with Patroni and PgBouncer",
  version: "postgres-operator 1.14 (Spilo 17, Patroni 4, PgBouncer 1.22)",
  sources: [
    "https://patroni.readthedocs.io/en/latest/kubernetes.html",
    "https://github.com/zalando/postgres-operator/blob/master/docs/reference/cluster_manifest.md",
  ],
  options: {
    namespace: "text",
    name: "text",
    labels: "labels",
    poolerLabels: "labels",
    serviceAccount: "name",
    clients: "texts",
    poolerClients: "texts",
    stateInKubernetes: "flag",
    backupHosts: "hosts",
    denyExternal: "flag",
    owner: "words",
  },
  required: ["namespace"],
  expand({ namespace, name = "postgresql", stateInKubernetes = true, denyExternal = true, ...options }) {
    const { labels, poolerLabels, clients, poolerClients, backupHosts, owner = presetOwner } = options;
    const database = `${namespace}/${name}`;
    const pooler = `${database}-pooler`;
    const isPooled = poolerClients !== undefined && poolerClients.length > 0;
    return {
      namespaces: [],
      workloads: [
        workload(database, {
          labels: labels ?? { application: "spilo", "cluster-name": name },
          ports: [tcp(5432, "postgresql"), tcp(8008, "patroni"), metrics(9187, "exporter")],
          denyExternal,
          ...accountOf(options.serviceAccount),
        }),
        ...(isPooled
          ? [
              workload(pooler, {
                labels: poolerLabels ?? { application: "db-connection-pooler", "cluster-name": name },
                ports: [tcp(5432, "pgbouncer")],
                denyExternal,
              }),
            ]
          : []),
      ],
      flows: [
        connect(database, database, [tcp(5432), tcp(8008)], "replicates, and agrees on a primary", owner),
        ...(stateInKubernetes ? [connect(database, kubeApiserver(), [], "Patroni keeps its state there", owner)] : []),
        ...(isPooled ? [connect(pooler, database, [tcp(5432)], "pools connections", owner)] : []),
        ...calledBy(clients, database, [tcp(5432)], "reads and writes", owner),
        ...calledBy(poolerClients, pooler, [tcp(5432)], "reads and writes through the pool", owner),
        ...reaches(database, backupHosts, "sends backups", [tcp(443)], owner),
      ],
    };
  },
};
