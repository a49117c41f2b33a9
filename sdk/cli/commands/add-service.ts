import { readFileSync } from "node:fs";
import type { ClusterSecurityDeclaration, Plan } from "../../plan";
import { describePlannedPeer } from "../../plan";
import { describePort } from "../../plan/resolve/ports";
import { declarationIn, planned } from "../declaration-file";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { changeTogether } from "../files-together";
import { readPeer, readPeerWithPort, readPort } from "../scaffold/ends";
import type { NewService } from "../scaffold/service";
import { withService } from "../scaffold/service";
import { isModule } from "../module-file";
import { outputOf } from "./options";

export interface AddServiceOptions {
  readonly declaration: string;
  readonly port: readonly string[];
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly label: readonly string[];
  readonly serviceAccount?: string;
  readonly owner: string;
  readonly reason: string;
  readonly dryRun: boolean;
  readonly output?: string;
}

/** `cluster-security add service`: a workload and its flows, written into a declaration. */
export async function addService(name: string, options: AddServiceOptions): Promise<ExitCode> {
  const { declaration: file } = options;
  if (isModule(file)) {
    throw usageError(
      `"${file}" is a program: write the workload and its flows there. A declaration in YAML is edited.`,
    );
  }
  const service = serviceOf(name, options);
  const before = textOf(file);
  const after = withService(before, file, service);
  // what the declaration refuses is refused before anything is written
  const old = planned(file, declarationIn(file, before) as ClusterSecurityDeclaration);
  const now = planned(file, declarationIn(file, after) as ClusterSecurityDeclaration);
  const output = outputOf(options);
  if (!options.dryRun) await changeTogether([{ file, text: after }], { followLinks: true });
  output.write(summary(service, old, now, options));
  await output.end();
  return exitCodes.ok;
}

function serviceOf(name: string, options: AddServiceOptions): NewService {
  const [, namespace, workload] = /^([a-z0-9-]+)\/([a-z0-9-]+)$/.exec(name) ?? [];
  if (namespace === undefined || workload === undefined) {
    throw usageError(`"${name}" is no name of a service. Write namespace/name, such as shop/api.`);
  }
  const ports = options.port.map(readPort);
  if (ports.length === 0 && options.from.length > 0) {
    throw usageError("--from needs a port that is called: name it with --port.");
  }
  return {
    namespace,
    name: workload,
    ...(options.serviceAccount === undefined ? {} : { serviceAccount: options.serviceAccount }),
    labels: Object.fromEntries(options.label.map(readLabel)),
    ports,
    callers: options.from.map(readPeer),
    called: options.to.map(readPeerWithPort),
    reason: options.reason,
    owner: options.owner,
  };
}

function readLabel(text: string): readonly [string, string] {
  const [, key, value] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  if (key === undefined || value === undefined) throw usageError(`"${text}" is no label. Write key=value.`);
  return [key, value];
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw inputError(
      code === "ENOENT" ? `"${file}": there is no such file` : `"${file}" cannot be read: ${code ?? String(error)}`,
    );
  }
}

function summary(
  { namespace, name }: NewService,
  old: Plan,
  now: Plan,
  { declaration: file, dryRun }: AddServiceOptions,
): string {
  const known = new Set(old.flows.map(({ id }) => id));
  const opened = now.flows
    .filter(({ id }) => !known.has(id))
    .map(({ from, to, ports }) => {
      const on = ports.map(describePort);
      return `  ${describePlannedPeer(from)} -> ${describePlannedPeer(to)}: ${on.join(", ")}`;
    });
  const names = new Set(old.documents.map(({ logicalName }) => logicalName));
  const policies = now.documents.map(({ logicalName }) => logicalName).filter((one) => !names.has(one));
  return [
    `${dryRun ? "would add" : "added    "} ${namespace}/${name} to ${file}`,
    `opens     ${opened.length === 0 ? "nothing: nobody may call it, and it may call nobody" : ""}`.trimEnd(),
    ...opened,
    `policies  ${policies.length === 0 ? "no new ones" : policies.join(", ")}`,
    ...now.warnings
      .filter(({ message }) => !old.warnings.some((one) => one.message === message))
      .map(({ message }) => `warning   ${message}`),
    ...(old.namespaces.some((one) => one.name === namespace)
      ? []
      : [`namespace ${namespace} is new here and will be created: add existing: true where it is there already`]),
    `next      pulumi up`,
    `          cluster-security verify --context NAME -d ${file} -w ${namespace}/${name} --create-probe-pods`,
    "",
  ].join("\n");
}
