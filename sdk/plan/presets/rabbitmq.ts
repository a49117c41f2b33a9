import { kubeApiserver, metrics, tcp, workload } from "../builders";
import type { RabbitmqService } from "./declarations";
import { presetOwner } from "./expansion";
import { accountOf, calledBy, connect, named } from "./parts";
import type { Preset } from "./preset";

/**
 * A RabbitMQ cluster: AMQP for clients, epmd (4369) and Erlang distribution (25672) between its own pods, the management
 * API for named administrators only.
 */
export const rabbitmq: Preset<RabbitmqService> = {
  name: "rabbitmq",
  title: "RabbitMQ",
  version: "RabbitMQ 4.1 (cluster operator 2.16)",
  sources: [
    "https://www.rabbitmq.com/docs/networking#ports",
    "https://www.rabbitmq.com/blog/2025/04/04/new-k8s-peer-discovery",
  ],
  options: {
    namespace: "text",
    name: "text",
    labels: "labels",
    serviceAccount: "name",
    clients: "texts",
    tls: "flag",
    administrators: "texts",
    discoveryThroughApi: "flag",
    owner: "words",
  },
  required: ["namespace"],
  expand({ namespace, name = "rabbitmq", tls = false, discoveryThroughApi = false, ...options }) {
    const { labels, clients, administrators, owner = presetOwner } = options;
    const broker = `${namespace}/${name}`;
    const amqp = tls ? 5671 : 5672;
    return {
      namespaces: [],
      workloads: [
        workload(broker, {
          labels: labels ?? named(name, "rabbitmq"),
          ports: [
            tcp(amqp, tls ? "amqps" : "amqp"),
            tcp(4369, "epmd"),
            tcp(25672, "distribution"),
            tcp(15672, "management"),
            metrics(15692, "prometheus"),
          ],
          ...accountOf(options.serviceAccount),
        }),
      ],
      flows: [
        connect(broker, broker, [tcp(4369), tcp(25672)], "forms a cluster", owner),
        ...(discoveryThroughApi ? [connect(broker, kubeApiserver(), [], "finds the other nodes", owner)] : []),
        ...calledBy(clients, broker, [tcp(amqp)], "publishes and consumes", owner),
        ...calledBy(administrators, broker, [tcp(15672)], "manages queues and users", owner),
      ],
    };
  },
};
