import { controls } from "../../controls";
import { checkPlaintext } from "../../mesh-plaintext";
import type { Rule } from "../../types";

/** Mutual TLS that plaintext gets round is none. */
export const mtlsNotStrict: Rule = {
  id: "mtls-not-strict",
  title: "Pods of the mesh accept plaintext",
  severity: "high",
  why: "Istio's default, PERMISSIVE, also accepts plaintext: a client without an identity connects unauthenticated and unencrypted.",
  description:
    "No pod of the service mesh accepts plaintext TCP on all ports from a pod outside the mesh, decided by computed " +
    "reachability with the PeerAuthentications alone, so that the mode is found wherever it is inherited from.",
  remediation:
    "Put a PeerAuthentication with mtls.mode STRICT into the mesh's root namespace, or into each namespace of the mesh.",
  controls: [
    controls.nistTransmission,
    controls.nistCryptographicProtection,
    controls.pciTransmission,
    controls.soc2DataInMotion,
    controls.isoCryptography,
  ],
  check: (context) => checkPlaintext(context, mtlsNotStrict, "all"),
};
