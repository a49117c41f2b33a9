/** Kinds that bypasses are written in: what may hold one, and what opening one needs rights for. */
import type { ObjectKind } from "./api";

/** Every one of them, whatever is granted at the moment: a bypass may outlive its grant. */
export const bypassKinds: readonly ObjectKind[] = [
  { apiVersion: "networking.k8s.io/v1", resource: "networkpolicies" },
  { apiVersion: "cilium.io/v2", resource: "ciliumnetworkpolicies" },
  { apiVersion: "projectcalico.org/v3", resource: "networkpolicies" },
  { apiVersion: "security.istio.io/v1", resource: "authorizationpolicies" },
];
