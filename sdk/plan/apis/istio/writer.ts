/** Istio's policy API, for the planner. */
import { bypassLabel } from "../../bypass-label";
import type { PolicyWriter } from "../writer";
import { istioDocuments } from "./policies";

/** PeerAuthentication and AuthorizationPolicy (`security.istio.io/v1`). */
export const istio: PolicyWriter = {
  group: "security.istio.io",
  tenantKinds: { AuthorizationPolicy: "authorizationpolicies", PeerAuthentication: "peerauthentications" },
  policies: istioDocuments,
  // every source may call; that calls are mutually authenticated stays
  bypass: (_model, { subject, expires }) => ({
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    isolates: false,
    spec: {
      selector: {
        matchLabels: { ...(subject.kind === "workload" ? subject.workload.labels : {}), [bypassLabel]: expires },
      },
      action: "ALLOW",
      rules: [{}],
    },
  }),
};
