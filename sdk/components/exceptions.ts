import type { Plan } from "../plan/index";

/** One line of the register of exceptions between tenants. */
export interface ExceptionRecord {
  /** The tenant that granted it. */
  tenant: string;
  /** The tenant that it was granted to. */
  grantedTo: string;
  /** Who opens the connection. */
  from: string;
  /** Who accepts it. */
  to: string;
  /** Ports, such as `TCP 8080`. */
  ports: string[];
  /** Why it exists. */
  reason: string;
  /** Who answers for it. */
  owner: string;
  /** Its last day. */
  expires: string;
  /** `open`; `overdue` when its last day is over and it still lets traffic pass; `closed` when it no longer does. */
  state: string;
}

/** The register of exceptions as plain data. */
export function exceptionsOf(plan: Plan): ExceptionRecord[] {
  return plan.exceptions.map(({ ports, ...exception }) => ({
    ...exception,
    ports: ports.map(({ protocol, from, to }) => `${protocol} ${from === to ? from : `${from}-${to}`}`),
  }));
}

/** The current day, `2027-03-31`, in UTC. */
export function today(): string {
  return new Date().toISOString().slice(0, 10);
}
