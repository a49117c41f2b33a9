/** The register of exceptions between tenants. */
import type { ClusterSecurityDeclaration } from "../declaration";
import type { ExceptionState, PlannedException } from "../documents";
import { describePeer } from "../halves";
import type { Model, ModelFlow } from "../model";
import { resolve } from "../resolve/resolve";
import { tenantOf } from "../resolve/tenant-of";

/**
 * The register of exceptions between tenants: who granted what to whom, why, who answers for it, and until when. Those
 * that ended before `asOf` are in it, too.
 *
 * @throws DeclarationError with everything that is wrong with the declaration.
 */
export function exceptionRegister(declaration: ClusterSecurityDeclaration): readonly PlannedException[] {
  return exceptionsOf(resolve(declaration));
}

/** The same of a declaration that was read already. */
export function exceptionsOf(model: Model): readonly PlannedException[] {
  const ended = new Map(model.endedExceptions.map(({ flow, isClosed }) => [flow.path, isClosed]));
  const closed = model.endedExceptions.filter(({ isClosed }) => isClosed).map(({ flow }) => flow);
  return [...model.flows, ...closed].flatMap((flow) => recordOf(model, flow, ended.get(flow.path)));
}

function recordOf(model: Model, flow: ModelFlow, isClosed: boolean | undefined): readonly PlannedException[] {
  const [from, to] = [tenantOf(model.tenants, flow.from), tenantOf(model.tenants, flow.to)];
  if (from === undefined || to === undefined || from === to || flow.expires === undefined) return [];
  const state: ExceptionState = isClosed === undefined ? "open" : isClosed ? "closed" : "overdue";
  const ends = { from: describePeer(flow.from), to: describePeer(flow.to) };
  const { ports, reason, owner, expires } = flow;
  return [{ tenant: to.name, grantedTo: from.name, ...ends, ports, reason, owner, expires, state }];
}
