import { tcp, workload } from "../builders";
import type { BackendDeclaration, CeleryService } from "./declarations";
import { presetOwner } from "./expansion";
import { accountOf, calledBy, connect, named, reaches } from "./parts";
import type { Preset } from "./preset";

/**
 * Celery: workers and the beat scheduler open connections and serve none; Flower serves people. The broker decides their
 * port.
 */
export const celery: Preset<CeleryService> = {
  name: "celery",
  title: "Celery",
  version: "Celery 5.5 (Flower 2.0)",
  sources: [
    "https://docs.celeryq.dev/en/stable/getting-started/backends-and-brokers/",
    "https://flower.readthedocs.io/en/latest/config.html#port",
  ],
  options: {
    namespace: "text",
    name: "text",
    workerLabels: "labels",
    beatLabels: "labels",
    serviceAccount: "name",
    beat: "flag",
    flowerFrom: "texts",
    broker: "backend",
    uses: "backends",
    hosts: "hosts",
    owner: "words",
  },
  required: ["namespace", "broker"],
  expand({ namespace, name = "celery", beat = true, broker, uses = [], ...options }) {
    const { workerLabels, beatLabels, flowerFrom, hosts, owner = presetOwner } = options;
    const account = accountOf(options.serviceAccount);
    const worker = `${namespace}/${name}-worker`;
    const scheduler = `${namespace}/${name}-beat`;
    const flower = `${namespace}/${name}-flower`;
    const hasFlower = flowerFrom !== undefined && flowerFrom.length > 0;
    const use = (
      client: string,
      { workload: target, port }: BackendDeclaration,
      reason: string,
    ): ReturnType<typeof connect> => connect(client, target, [tcp(port)], reason, owner);
    const clients = [worker, ...(beat ? [scheduler] : []), ...(hasFlower ? [flower] : [])];
    return {
      namespaces: [],
      workloads: [
        workload(worker, { labels: workerLabels ?? named(name, "worker"), ...account }),
        ...(beat ? [workload(scheduler, { labels: beatLabels ?? named(name, "beat"), ...account })] : []),
        ...(hasFlower
          ? [workload(flower, { labels: named(name, "flower"), ports: [tcp(5555, "flower")], ...account })]
          : []),
      ],
      flows: [
        ...clients.map((client) => use(client, broker, "hands out and takes tasks")),
        ...clients
          .filter((client) => client !== flower)
          .flatMap((client) => uses.map((backend) => use(client, backend, "tasks read and write"))),
        ...reaches(worker, hosts, "tasks call it", [tcp(443)], owner),
        ...calledBy(flowerFrom, flower, [tcp(5555)], "people look at tasks", owner),
      ],
    };
  },
};
