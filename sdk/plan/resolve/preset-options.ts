/** Reads the options of a preset as its table says, and expands it. */
import type { WorkloadDeclaration } from "../declaration";
import type { ProblemCollector } from "../errors";
import type { BackendDeclaration, Expansion, Preset, PresetContext } from "../presets/index";
import type { OptionKind } from "../presets/preset";
import type { Reader } from "../reader";
import { join } from "../reader";

/**
 * A preset's options as they stand in the declaration, expanded into the shapes that users write by hand. Undefined where
 * there are none, or where they cannot be read.
 */
export function expandPreset<Options extends object>(
  reader: Reader,
  problems: ProblemCollector,
  preset: Preset<Options>,
  path: string,
  value: unknown,
  context: PresetContext,
): Expansion | undefined {
  const kinds = Object.entries<OptionKind>(preset.options as Readonly<Record<string, OptionKind>>);
  const fields = reader.fields(
    path,
    value,
    kinds.map(([name]) => name),
  );
  if (fields === undefined) return undefined;
  const options: Record<string, unknown> = {};
  let complete = true;
  for (const [name, kind] of kinds) {
    const at = join(path, name);
    const given = fields[name];
    const option = given === undefined || given === null ? undefined : readers[kind](reader, at, given);
    if (option !== undefined) options[name] = option;
    else if (preset.required?.some((one) => one === name)) {
      complete = false;
      if (given === undefined || given === null)
        problems.add(at, given, "is missing", "Give it: nothing stands in for it.");
    }
  }
  if (!complete) return undefined;
  const { dependsOn } = options as { dependsOn?: readonly string[] };
  // every field was read by the kind that OptionKinds ties to its type
  const parts = preset.expand(options as Options, context);
  return { name: preset.name, path, webhooks: [], dependsOn: dependsOn ?? [], ...parts };
}

const readers: Readonly<Record<OptionKind, (reader: Reader, path: string, value: unknown) => unknown>> = {
  text: (reader, path, value) => reader.text(path, value),
  texts: (reader, path, value) => [...(reader.texts(path, value) ?? [])],
  flag: (reader, path, value) => reader.flag(path, value),
  port: (reader, path, value) => reader.portNumber(path, value),
  ports: (reader, path, value) => [...(reader.portNumbers(path, value) ?? [])],
  labels: (reader, path, value) => reader.textMap(path, value),
  backend: readBackend,
  backends: (reader, path, value) =>
    reader
      .list(path, value)
      .map((item, index) => readBackend(reader, `${path}[${index}]`, item))
      .filter((backend) => backend !== undefined),
  workload: readNamedWorkload,
};

function readBackend(reader: Reader, path: string, value: unknown): BackendDeclaration | undefined {
  const fields = reader.fields(path, value, ["workload", "port"]);
  const workload = reader.text(`${path}.workload`, fields?.["workload"]);
  const port = reader.portNumber(`${path}.port`, fields?.["port"]);
  return workload === undefined || port === undefined ? undefined : { workload, port };
}

/** A workload inside a preset's options: only its name is looked at here, the rest is read with all workloads. */
function readNamedWorkload(reader: Reader, path: string, value: unknown): WorkloadDeclaration | undefined {
  const fields = reader.fields(path, value, workloadFields);
  const name = reader.text(`${path}.name`, fields?.["name"]);
  const namespace = reader.text(`${path}.namespace`, fields?.["namespace"]);
  const ports = reader.list(`${path}.ports`, fields?.["ports"]);
  if (name === undefined || namespace === undefined) return undefined;
  if (ports.some((port) => typeof port !== "object" || port === null)) return undefined;
  return value as WorkloadDeclaration;
}

const workloadFields = [
  "name",
  "namespace",
  "labels",
  "serviceAccount",
  "ports",
  "hostNetwork",
  "denyExternal",
  "metadataAccess",
];
