import { bypassRole, readingRole, verifyingRole } from "../../cluster/role";
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
  /** Namespaces: also what opening a bypass there needs. */
  readonly bypass: readonly string[];
  /** Groups that are bound to the roles of bypasses. */
  readonly group: readonly string[];
  readonly format: ObjectFormat;
  readonly output?: string;
}

/** `cluster-security rbac`: the role that reading a live cluster needs, and the one for verifying it. Reads nothing. */
export async function rbac(options: RbacOptions): Promise<ExitCode> {
  const { name, serviceAccount, format, audit } = options;
  if (!mayBeName(name)) throw usageError(`--name: "${name}" is no name of an object`);
  const bound = serviceAccount === undefined ? {} : { serviceAccount: parseAccount(serviceAccount) };
  const verifying = options.verify ? verifyingRole({ name: `${name}-verify`, ...bound }) : [];
  if (options.group.length > 0 && options.bypass.length === 0) {
    throw usageError("--group binds the role of bypasses: name their namespaces with --bypass");
  }
  const { bypass: namespaces, group: groups } = options;
  const opening = namespaces.length > 0 ? bypassRole({ name: `${name}-bypass`, namespaces, groups, ...bound }) : [];
  const objects = [...readingRole({ name, ...bound, audit }), ...verifying, ...opening];
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
