/** Istio's policy API, for the planner. */
import type { PolicyWriter } from "../writer";
import { istioDocuments } from "./policies";

/** PeerAuthentication and AuthorizationPolicy (`security.istio.io/v1`). */
export const istio: PolicyWriter = {
  group: "security.istio.io",
  tenantKinds: { AuthorizationPolicy: "authorizationpolicies", PeerAuthentication: "peerauthentications" },
  policies: istioDocuments,
  // every source may call; that calls are mutually authenticated stays
  bypass: (_model, { subject, label: [key, value] }) => ({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    resource: "authorizationpolicies",
    isolates: false,
    spec: {
      selector: {
        matchLabels: { ...(subject.kind === "workload" ? subject.workload.labels : {}), [key]: value },
      },
      action: "ALLOW",
      rules: [{}],
    },
  }),
};
