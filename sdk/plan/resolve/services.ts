/** Reads the platform services and puts them into the order in which their policies are registered. */
import type {
  CertManagerService,
  ExternalSecretsService,
  FlowDeclaration,
  ObservabilityService,
  WebhookDeclaration,
  WorkloadDeclaration,
} from "../declaration";
import type { ProblemCollector } from "../errors";
import type { ModelService } from "../model";
import { isDnsLabel } from "../names";
import type { Expansion } from "../presets/index";
import { certManager, externalSecrets, observability } from "../presets/index";
import type { Reader } from "../reader";

/** Reads `platform` and expands its presets into the shapes that users write by hand. */
export function readServices(reader: Reader, problems: ProblemCollector, value: unknown): readonly Expansion[] {
  const platform = reader.fields("platform", value, ["certManager", "externalSecrets", "observability", "services"]);
  if (platform === undefined) return [];
  const expansions: Expansion[] = [];

  const certManagerOptions = readCertManager(reader, platform["certManager"]);
  if (certManagerOptions !== undefined) expansions.push(certManager(certManagerOptions));
  const secretsOptions = readExternalSecrets(reader, platform["externalSecrets"]);
  if (secretsOptions !== undefined) expansions.push(externalSecrets(secretsOptions));
  const observabilityOptions = readObservability(reader, platform["observability"]);
  if (observabilityOptions !== undefined) expansions.push(observability(observabilityOptions));

  reader.list("platform.services", platform["services"]).forEach((item, index) => {
    const path = `platform.services[${index}]`;
    const fields = reader.fields(path, item, ["name", "workloads", "flows", "webhooks", "dependsOn"]);
    if (fields === undefined) return problems.add(path, item, "is not a service", "Give an object with a name.");
    const name = reader.text(`${path}.name`, fields["name"]);
    if (name === undefined) return;
    if (!isDnsLabel(name)) {
      problems.add(`${path}.name`, name, "is not a DNS label", "Use lower-case letters, digits and hyphens.");
    }
    expansions.push({
      name,
      path,
      namespaces: [],
      // read, with their paths, by the readers of workloads and flows
      workloads: reader.list(`${path}.workloads`, fields["workloads"]) as readonly WorkloadDeclaration[],
      flows: reader.list(`${path}.flows`, fields["flows"]) as readonly FlowDeclaration[],
      webhooks: readWebhooks(reader, path, fields["webhooks"]),
      dependsOn: reader.texts(`${path}.dependsOn`, fields["dependsOn"]) ?? [],
    });
  });

  const seen = new Map<string, string>();
  for (const { name, path } of expansions) {
    const first = seen.get(name);
    if (first !== undefined) {
      problems.add(`${path}.name`, name, `is the name of ${first} too`, "Give every platform service its own name.");
    } else {
      seen.set(name, path);
    }
  }
  return expansions;
}

function readWebhooks(reader: Reader, path: string, value: unknown): readonly WebhookDeclaration[] {
  return reader.list(`${path}.webhooks`, value).flatMap((item, index) => {
    const at = `${path}.webhooks[${index}]`;
    const fields = reader.fields(at, item, ["workload", "port"]);
    const workload = reader.text(`${at}.workload`, fields?.["workload"]);
    const port = reader.portNumber(`${at}.port`, fields?.["port"]);
    return workload === undefined || port === undefined ? [] : [{ workload, port }];
  });
}

function readCertManager(reader: Reader, value: unknown): CertManagerService | undefined {
  const path = "platform.certManager";
  const fields = reader.fields(path, value, [
    "namespace",
    "acmeServers",
    "dnsProviders",
    "dnsSelfCheck",
    "http01Namespaces",
    "http01From",
    "dependsOn",
  ]);
  if (fields === undefined) return undefined;
  return {
    namespace: reader.optionalText(`${path}.namespace`, fields["namespace"]),
    acmeServers: mutable(reader.texts(`${path}.acmeServers`, fields["acmeServers"])),
    dnsProviders: mutable(reader.texts(`${path}.dnsProviders`, fields["dnsProviders"])),
    dnsSelfCheck: reader.flag(`${path}.dnsSelfCheck`, fields["dnsSelfCheck"]),
    http01Namespaces: mutable(reader.texts(`${path}.http01Namespaces`, fields["http01Namespaces"])),
    http01From: reader.optionalText(`${path}.http01From`, fields["http01From"]),
    dependsOn: mutable(reader.texts(`${path}.dependsOn`, fields["dependsOn"])),
  };
}

function readExternalSecrets(reader: Reader, value: unknown): ExternalSecretsService | undefined {
  const path = "platform.externalSecrets";
  const fields = reader.fields(path, value, ["namespace", "connectNamespace", "accountHosts", "dependsOn"]);
  if (fields === undefined) return undefined;
  return {
    namespace: reader.optionalText(`${path}.namespace`, fields["namespace"]),
    connectNamespace: reader.optionalText(`${path}.connectNamespace`, fields["connectNamespace"]),
    accountHosts: mutable(reader.texts(`${path}.accountHosts`, fields["accountHosts"])),
    dependsOn: mutable(reader.texts(`${path}.dependsOn`, fields["dependsOn"])),
  };
}

function readObservability(reader: Reader, value: unknown): ObservabilityService | undefined {
  const path = "platform.observability";
  const known = ["namespace", "scraper", "storage", "remoteWriteHosts", "nodePorts", "dependsOn"];
  const fields = reader.fields(path, value, known);
  if (fields === undefined) return undefined;
  return {
    namespace: reader.optionalText(`${path}.namespace`, fields["namespace"]),
    scraper: readNamedWorkload(reader, `${path}.scraper`, fields["scraper"]),
    storage: readNamedWorkload(reader, `${path}.storage`, fields["storage"]),
    remoteWriteHosts: mutable(reader.texts(`${path}.remoteWriteHosts`, fields["remoteWriteHosts"])),
    nodePorts: mutable(reader.portNumbers(`${path}.nodePorts`, fields["nodePorts"])),
    dependsOn: mutable(reader.texts(`${path}.dependsOn`, fields["dependsOn"])),
  };
}

/** A workload inside a preset's options: only its name is looked at here, the rest is read with all workloads. */
function readNamedWorkload(reader: Reader, path: string, value: unknown): WorkloadDeclaration | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = reader.fields(path, value, [
    "name",
    "namespace",
    "labels",
    "serviceAccount",
    "ports",
    "hostNetwork",
    "denyExternal",
  ]);
  const name = reader.text(`${path}.name`, fields?.["name"]);
  const namespace = reader.text(`${path}.namespace`, fields?.["namespace"]);
  const ports = reader.list(`${path}.ports`, fields?.["ports"]);
  if (
    name === undefined ||
    namespace === undefined ||
    ports.some((port) => typeof port !== "object" || port === null)
  ) {
    return undefined;
  }
  return value as WorkloadDeclaration;
}

function mutable<T>(list: readonly T[] | undefined): T[] | undefined {
  return list === undefined ? undefined : [...list];
}

/**
 * Sorts services so that each comes after those it depends on, by name where that leaves a choice. Services that depend
 * on each other in a circle, or on one that is not declared, are refused: no order of registration would be safe.
 */
export function orderServices(problems: ProblemCollector, expansions: readonly Expansion[]): readonly ModelService[] {
  const byName = new Map(expansions.map((expansion) => [expansion.name, expansion]));
  const ordered: ModelService[] = [];
  const done = new Set<string>();
  const reported = new Set<string>();

  const visit = (expansion: Expansion, trail: readonly string[]): void => {
    if (done.has(expansion.name)) return;
    const start = trail.indexOf(expansion.name);
    if (start >= 0) {
      const circle = [...trail.slice(start), expansion.name];
      const key = [...trail.slice(start)].sort().join();
      if (!reported.has(key)) {
        reported.add(key);
        problems.add(
          `${expansion.path}.dependsOn`,
          expansion.dependsOn,
          `depends on itself in a circle: ${circle.join(" → ")}`,
          "Remove one of these dependencies: policies of a tier need an order in which they can be put in place.",
        );
      }
      return;
    }
    for (const name of [...expansion.dependsOn].sort()) {
      const other = byName.get(name);
      if (other !== undefined) visit(other, [...trail, expansion.name]);
    }
    if (done.has(expansion.name)) return;
    done.add(expansion.name);
    ordered.push({ name: expansion.name, dependsOn: [...expansion.dependsOn].sort() });
  };

  for (const expansion of expansions) {
    expansion.dependsOn.forEach((name, index) => {
      if (byName.has(name)) return;
      const known = [...byName.keys()].sort().join(", ");
      const path = `${expansion.path}.dependsOn[${index}]`;
      problems.add(path, name, "names a platform service that is not declared", `Declared: ${known}.`);
    });
  }
  for (const expansion of [...expansions].sort((a, b) => (a.name < b.name ? -1 : 1))) visit(expansion, []);
  return ordered;
}
