/** The fields of a declaration, for the planner and for whoever tells declarations from other files. */
import type { ClusterSecurityDeclaration } from "./declaration";

export const declarationFields = [
  "dialect",
  "cluster",
  "exemptNamespaces",
  "namespaces",
  "workloads",
  "flows",
  "platform",
  "applications",
  "tenants",
  "asOf",
  "reviewBy",
  "bypasses",
  "breakGlass",
  "mesh",
  "policyNames",
  "unsupported",
  "denyScope",
  "mode",
  "layout",
] as const satisfies readonly (keyof ClusterSecurityDeclaration)[];
