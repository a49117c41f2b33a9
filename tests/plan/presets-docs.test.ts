import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { FlowDeclaration, PeerDeclaration, PortDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";
import type { Expansion, Preset } from "../../sdk/plan/presets/index";
import { applicationPresets, platformPresets } from "../../sdk/plan/presets/index";
import { MeshMode } from "../../sdk/plan/index";
import { meshFlows, meshService } from "../../sdk/plan/resolve/mesh";
import { literal } from "./literal";

const file = path.resolve(__dirname, "..", "..", "docs", "presets.md");
const dns = { namespace: "kube-system", labels: { "k8s-app": "kube-dns" }, port: 53 };
const proxy = ["edge/proxy"];

/** Options that bring out every flow a preset knows. */
const fullOptions: Readonly<Record<string, object>> = {
  certManager: { dnsProviders: ["<DNS provider>"], http01Namespaces: ["<namespace>"], http01From: "<ingress>" },
  traefik: { backends: [{ workload: "<backend>", port: 8080 }], acmeServers: ["<ACME server>"] },
  ingressNginx: { backends: [{ workload: "<backend>", port: 8080 }] },
  envoyGateway: { backends: [{ workload: "<backend>", port: 8080 }] },
  ciliumGateway: { backends: [{ workload: "<backend>", port: 8080 }] },
  prometheus: { alertReceivers: ["<receiver>"], remoteWriteHosts: ["<remote storage>"], grafanaFrom: proxy },
  victoriaMetrics: { alertReceivers: ["<receiver>"], remoteWriteHosts: ["<remote storage>"], grafanaFrom: proxy },
  observability: { remoteWriteHosts: ["<remote storage>"] },
  flux: {
    gitHosts: ["<Git host>"],
    registries: ["<registry>"],
    notificationHosts: ["<receiver>"],
    webhooksFrom: proxy,
  },
  argoCd: {
    gitHosts: ["<Git host>"],
    registries: ["<registry>"],
    identityProviders: ["<identity provider>"],
    notificationHosts: ["<receiver>"],
    remoteClusters: ["203.0.113.0/28"],
    serverFrom: proxy,
  },
  postgresql: {
    namespace: "<namespace>",
    clients: ["<client>"],
    poolerClients: ["<pooled client>"],
    backupHosts: ["<backup host>"],
  },
  redis: { namespace: "<namespace>", clients: ["<client>"] },
  rabbitmq: { namespace: "<namespace>", clients: ["<client>"], administrators: ["<administrator>"] },
  celery: {
    namespace: "<namespace>",
    broker: { workload: "<broker>", port: 5672 },
    uses: [{ workload: "<database>", port: 5432 }],
    hosts: ["<host>"],
    flowerFrom: proxy,
  },
  connectivityTest: { reason: "<reason>", owner: "<owner>", expires: "<last day>" },
  agentSandboxes: {
    namespace: "<namespace>",
    hosts: ["<host>"],
    callers: ["<caller>"],
    port: 8000,
    reason: "<reason>",
    owner: "<owner>",
  },
};

type Parts = Pick<Expansion, "workloads" | "flows"> & Partial<Pick<Expansion, "webhooks" | "undenied">>;

function section(field: string, title: string, version: string, sources: readonly string[], parts: Parts): string {
  const lines = [`## ${title}`, "", `\`${field}\`. Ports and labels: ${version}.`, ""];
  lines.push(`Sources: ${sources.map((source) => `<${source}>`).join(", ")}.`, "");
  if (parts.workloads.length > 0) {
    lines.push("| workload | selected by | ports |", "|---|---|---|");
    lines.push(...parts.workloads.map(workloadRow), "");
  }
  const webhooks = (parts.webhooks ?? []).map(
    ({ workload, port }) => `| kube-apiserver | ${code(workload)} | TCP ${port} | calls its webhook |`,
  );
  if (parts.undenied !== undefined) {
    const { namespaces, expires } = parts.undenied;
    lines.push(
      `No default deny in ${namespaces.map(code).join(", ")} until ${code(expires)}; metadata endpoints stay closed there, and what`,
      "else is declared stays closed to them. Nothing is opened elsewhere. After that day the default deny holds them, `audit` and",
      "`check` say that the exemption is over, and so does the alert `ExceptionOverdue` as long as it is declared. The test makes",
      "Services and pods of its own in them; label them for pod security where the cluster enforces it.",
      "",
    );
  }
  const rows = [...parts.flows.map(flowRow), ...webhooks];
  if (rows.length > 0) lines.push("| from | to | ports | why |", "|---|---|---|---|", ...rows, "");
  return lines.join("\n");
}

function workloadRow({ namespace, name, labels, ports, hostNetwork }: WorkloadDeclaration): string {
  const selector = Object.entries(labels ?? {}).map(([key, value]) => code(`${key}: ${value}`));
  const place = hostNetwork === true ? " (host network)" : "";
  return `| ${code(`${namespace}/${name}`)}${place} | ${selector.join(", ")} | ${(ports ?? []).map(portText).join(", ")} |`;
}

function flowRow({ from, to, ports, reason }: FlowDeclaration): string {
  const served = (ports ?? []).length === 0 ? "the API server's" : (ports ?? []).map(portText).join(", ");
  return `| ${peerText(from)} | ${peerText(to)} | ${served} | ${reason} |`;
}

function peerText(declared: PeerDeclaration): string {
  const peer = literal(declared);
  if (peer.namespace !== undefined) return `every pod of ${code(peer.namespace)}`;
  return peer.entity ?? code(peer.workload ?? peer.cidr ?? peer.fqdn ?? "");
}

function portText({ port, endPort, protocol, name, metrics }: PortDeclaration): string {
  if (port === undefined) return name ?? "";
  const range = endPort === undefined ? `${port}` : `${port}–${endPort}`;
  return `${protocol ?? "TCP"} ${range}${metrics === true ? " (metrics)" : ""}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function mesh(mode: MeshMode): string {
  const options = { mode, namespaces: undefined, trustDomain: "cluster.local", controlPlane: "istio-system" };
  const { workloads, webhooks } = meshService(options);
  const flows = meshFlows({ ...options, namespaces: ["<namespace>"] });
  const title = mode === MeshMode.Ambient ? "Istio, ambient" : "Istio, sidecars";
  const sources = ["https://istio.io/latest/docs/ops/deployment/application-requirements/"];
  return section("mesh", title, "Istio 1.29 and 1.30", sources, { workloads, webhooks, flows });
}

function page(): string {
  const sections = [
    ...Object.entries(platformPresets).map(([name, preset]) =>
      presetSection(`platform.${name}`, name, preset as Preset<object>),
    ),
    mesh(MeshMode.Sidecar),
    mesh(MeshMode.Ambient),
    ...Object.entries(applicationPresets).map(([name, preset]) =>
      presetSection(`applications.${name}`, name, preset as Preset<object>),
    ),
  ];
  const head = [
    "# Presets",
    "",
    "Services whose ports and peers are known. A preset adds workloads and flows to a declaration, in the shapes that are",
    "otherwise written by hand; both sides of every flow follow from them, and nothing else is opened. Options stand for the",
    "parts in `<angle brackets>`; they are described with their types. Labels that differ in a cluster are set in the options",
    "of applications; for a shared service that was renamed, `platform.services` takes the same shapes.",
    "",
    "DNS is open to every namespace and is not listed. Metrics ports are open to the declared scrapers only. This page is",
    "written by `UPDATE_SNAPSHOTS=1 npx mocha tests/plan/presets-docs.test.ts`.",
    "",
  ];
  return `${[...head, ...sections].join("\n").trimEnd()}\n`;
}

function presetSection(field: string, name: string, preset: Preset<object>): string {
  return section(field, preset.title, preset.version, preset.sources, preset.expand(fullOptions[name] ?? {}, { dns }));
}

describe("docs/presets.md", () => {
  it("lists every preset as it is (write it anew with UPDATE_SNAPSHOTS=1)", () => {
    const text = page();
    if (process.env["UPDATE_SNAPSHOTS"] === "1") {
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    assert.equal(readFileSync(file, "utf8"), text);
  });
});
