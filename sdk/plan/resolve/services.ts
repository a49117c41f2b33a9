/** Reads the platform services and puts them into the order in which their policies are registered. */
import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import type { FlowDeclaration, WebhookDeclaration, WorkloadDeclaration } from "../declaration";
import type { ProblemCollector } from "../errors";
import type { Known } from "../inputs";
import type { ModelService } from "../model";
import { isDnsLabel } from "../names";
import type { ApplicationPreset, Expansion, PlatformPreset, Preset, PresetContext } from "../presets/index";
import { applicationPresets, platformPresets } from "../presets/index";
import type { Reader } from "../reader";
import { expandPreset } from "./preset-options";

/** Reads `platform` and expands its presets into the shapes that users write by hand. */
export function readServices(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  context: PresetContext,
): readonly Expansion[] {
  const names = Object.keys(platformPresets) as PlatformPreset[];
  const platform = reader.fields(["platform"], value, [...names, "services"]);
  if (platform === undefined) return [];
  const expansions: Expansion[] = names.flatMap((name) => {
    const preset: Preset<object> = platformPresets[name] as Preset<object>;
    return expandPreset(reader, problems, preset, ["platform", name], platform[name], context) ?? [];
  });

  reader.list(["platform", "services"], platform["services"]).forEach((item, index) => {
    const path = ["platform", "services", index];
    const fields = reader.fields(path, item, ["name", "workloads", "flows", "webhooks", "dependsOn"]);
    if (fields === undefined) return problems.add(path, item, "is not a service", "Give an object with a name.");
    const name = reader.text([...path, "name"], fields["name"]);
    if (name === undefined) return;
    if (!isDnsLabel(name)) {
      problems.add([...path, "name"], name, "is not a DNS label", "Use lower-case letters, digits and hyphens.");
    }
    expansions.push({
      name,
      path,
      namespaces: [],
      // read, with their paths, by the readers of workloads and flows
      workloads: reader.list([...path, "workloads"], fields["workloads"]) as readonly WorkloadDeclaration[],
      flows: reader.list([...path, "flows"], fields["flows"]) as readonly FlowDeclaration[],
      webhooks: readWebhooks(reader, path, fields["webhooks"]),
      dependsOn: reader.texts([...path, "dependsOn"], fields["dependsOn"]) ?? [],
    });
  });

  const seen = new Map<string, PropertyPath>();
  for (const { name, path } of expansions) {
    const first = seen.get(name);
    if (first !== undefined) {
      problems.add(
        [...path, "name"],
        name,
        `is the name of ${formatPath(first)} too`,
        "Give every platform service its own name.",
      );
    } else {
      seen.set(name, path);
    }
  }
  return expansions;
}

/** Reads `applications`: what tier 2 brings with it, in its own namespaces. */
export function readApplications(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  context: PresetContext,
): readonly Expansion[] {
  const names = Object.keys(applicationPresets) as ApplicationPreset[];
  const applications = reader.fields(["applications"], value, names) ?? {};
  return names.flatMap((name) => {
    const preset: Preset<object> = applicationPresets[name] as Preset<object>;
    return reader.list(["applications", name], applications[name]).flatMap((item, index): Expansion[] => {
      const expansion = expandPreset(reader, problems, preset, ["applications", name, index], item, context);
      return expansion === undefined ? [] : [{ ...expansion, isApplication: true }];
    });
  });
}

function readWebhooks(reader: Reader, path: PropertyPath, value: unknown): readonly Known<WebhookDeclaration>[] {
  return reader.list([...path, "webhooks"], value).flatMap((item, index) => {
    const at = [...path, "webhooks", index];
    const fields = reader.fields(at, item, ["workload", "port"]);
    const workload = reader.text([...at, "workload"], fields?.["workload"]);
    const port = reader.portNumber([...at, "port"], fields?.["port"]);
    return workload === undefined || port === undefined ? [] : [{ workload, port }];
  });
}

/**
 * Sorts services so that each comes after those it depends on, by name where that leaves a choice. Services that depend
 * on each other in a cycle, or on one that is not declared, are refused: no order of registration would be safe.
 */
export function orderServices(problems: ProblemCollector, all: readonly Expansion[]): readonly ModelService[] {
  const expansions = all.filter(({ isApplication }) => isApplication !== true);
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
          [...expansion.path, "dependsOn"],
          expansion.dependsOn,
          `depends on itself in a cycle: ${circle.join(" → ")}`,
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
      const path = [...expansion.path, "dependsOn", index];
      problems.add(path, name, "names a platform service that is not declared", `Declared: ${known}.`);
    });
  }
  for (const expansion of [...expansions].sort((a, b) => (a.name < b.name ? -1 : 1))) visit(expansion, []);
  return ordered;
}
