/** Reads the options of a preset as its table says, and expands it. */
import type { PropertyPath } from "../../property-path";
import type { WorkloadDeclaration } from "../declaration";
import type { StandIn } from "../deferred";
import { isDeferred, standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import type { Known } from "../inputs";
import type { BackendDeclaration, Expansion, Preset, PresetContext } from "../presets/index";
import type { OptionKind } from "../presets/preset";
import type { Reader } from "../reader";

/**
 * A preset's options as they stand in the declaration, expanded into the shapes that users write by hand. Undefined where
 * there are none, or where they cannot be read.
 */
export function expandPreset<Options extends object>(
  reader: Reader,
  problems: ProblemCollector,
  preset: Preset<Options>,
  path: PropertyPath,
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
    const at = [...path, name];
    const given = fields[name];
    const option = given === undefined || given === null ? undefined : readers[kind](reader, at, given);
    if (option !== undefined) options[name] = option;
    else if (preset.required?.some((one) => one === name)) {
      complete = false;
      if (given === undefined || given === null) problems.add(at, given, "is missing", "Give it: it has no default.");
    }
  }
  if (!complete) return undefined;
  const { dependsOn } = options as { dependsOn?: readonly string[] };
  // every field was read by the kind that OptionKinds ties to its type
  const parts = preset.expand(options as Known<Options>, context);
  return { name: preset.name, path, webhooks: [], dependsOn: dependsOn ?? [], ...parts };
}

const readers: Readonly<Record<OptionKind, (reader: Reader, path: PropertyPath, value: unknown) => unknown>> = {
  text: (reader, path, value) => reader.text(path, value),
  texts: (reader, path, value) => [...(reader.texts(path, value) ?? [])],
  words: (reader, path, value) => reader.leaf(path, value, standIns.text),
  name: (reader, path, value) => reader.optionalLeaf(path, value, standIns.name),
  hosts: (reader, path, value) => passOn(reader, path, value, standIns.host),
  ranges: (reader, path, value) => passOn(reader, path, value, standIns.range),
  flag: (reader, path, value) => reader.flag(path, value),
  port: passOnPort,
  ports: (reader, path, value) => [...(reader.portNumbers(path, value) ?? [])],
  labels: (reader, path, value) => reader.labels(path, value),
  backend: readBackend,
  backends: (reader, path, value) =>
    reader
      .list(path, value)
      .map((item, index) => readBackend(reader, [...path, index], item))
      .filter((backend) => backend !== undefined),
  workload: readNamedWorkload,
};

/** A list whose items are checked here and read again in the flows that the preset makes of them, outputs as such. */
function passOn(reader: Reader, path: PropertyPath, value: unknown, standIn: StandIn<string>): readonly unknown[] {
  return (reader.items(path, value, standIn) ?? []).map(({ text, from }) => (isDeferred(value) ? text : from));
}

/** The same of a port. */
function passOnPort(reader: Reader, path: PropertyPath, value: unknown): number | undefined {
  const number = reader.portNumber(path, value);
  return number !== undefined && isDeferred(value) ? (value as unknown as number) : number;
}

function readBackend(reader: Reader, path: PropertyPath, value: unknown): Known<BackendDeclaration> | undefined {
  const fields = reader.fields(path, value, ["workload", "port"]);
  const workload = reader.text([...path, "workload"], fields?.["workload"]);
  const port = passOnPort(reader, [...path, "port"], fields?.["port"]);
  return workload === undefined || port === undefined ? undefined : { workload, port };
}

/** A workload inside a preset's options: only its name is looked at here, the rest is read with all workloads. */
function readNamedWorkload(reader: Reader, path: PropertyPath, value: unknown): WorkloadDeclaration | undefined {
  const fields = reader.fields(path, value, workloadFields);
  const name = reader.text([...path, "name"], fields?.["name"]);
  const namespace = reader.text([...path, "namespace"], fields?.["namespace"]);
  const ports = reader.list([...path, "ports"], fields?.["ports"]);
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
