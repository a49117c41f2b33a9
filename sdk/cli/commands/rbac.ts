import { bypassRole, bypassTrialRole, changingRole, readingRole, verifyingRole } from "../../cluster/role";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { mayBeName, printObjects, type ObjectFormat } from "../print/objects";
import { outputOf } from "./options";

export interface RbacOptions {
  readonly name: string;
  /** `namespace/name` */
  readonly serviceAccount?: string;
  /** Also what `audit` reads. */
  readonly audit: boolean;
  /** Also what `verify` needs. */
  readonly verify: boolean;
  /** Also what `restore` and `rollback` need. */
  readonly restore: boolean;
  /** Namespaces: also what an update needs that tries there whether the cluster ends bypasses. */
  readonly bypassTrial: readonly string[];
  /** Namespaces: also what opening a bypass there needs. */
  readonly bypass: readonly string[];
  /** Groups that are bound to the roles of bypasses. */
  readonly group: readonly string[];
  readonly format: ObjectFormat;
  readonly output?: string;
}

/** `cluster-security rbac`: the role that reading a live cluster needs, and those of what changes it. Reads nothing. */
export async function rbac(options: RbacOptions): Promise<ExitCode> {
  const { name, serviceAccount, format, audit } = options;
  if (!mayBeName(name)) throw usageError(`--name: "${name}" is no name of an object`);
  const bound = serviceAccount === undefined ? {} : { serviceAccount: parseAccount(serviceAccount) };
  const verifying = options.verify ? verifyingRole({ name: `${name}-verify`, ...bound }) : [];
  if (options.group.length > 0 && options.bypass.length === 0) {
    throw usageError("--group binds the role of bypasses: name their namespaces with --bypass");
  }
  const changing = options.restore ? changingRole({ name: `${name}-restore`, ...bound }) : [];
  const tried = options.bypassTrial;
  const trying = tried.length > 0 ? bypassTrialRole({ name: `${name}-bypass-trial`, namespaces: tried, ...bound }) : [];
  const { bypass: namespaces, group: groups } = options;
  const opening = namespaces.length > 0 ? bypassRole({ name: `${name}-bypass`, namespaces, groups, ...bound }) : [];
  const objects = [...readingRole({ name, ...bound, audit }), ...verifying, ...changing, ...opening, ...trying];
  const output = outputOf(options);
  output.write(printObjects(objects, format));
  await output.end();
  return exitCodes.ok;
}

function parseAccount(text: string): { namespace: string; name: string } {
  const [namespace, name, ...rest] = text.split("/");
  if (!namespace || !name || rest.length > 0) {
    throw usageError(`--service-account: "${text}" is no service account: write namespace/name`);
  }
  return { namespace, name };
}
