import { controls } from "../../controls";
import { checkPlaintext } from "../../mesh-plaintext";
import type { Rule } from "../../types";

/** A hole for one port is a decision; it is shown so that somebody can tell that it still is one. */
export const mtlsPortHole: Rule = {
  id: "mtls-port-hole",
  title: "Single ports accept plaintext beside strict mutual TLS",
  severity: "medium",
  why: "An exception for one port is open to every client, and often outlives its reason.",
  description:
    "No pod of the service mesh accepts plaintext on single ports (portLevelMtls) while the others demand mutual TLS; " +
    "decided by computed reachability with the PeerAuthentications alone.",
  remediation: "Take the port out of portLevelMtls once its callers are in the mesh; until then name them in a policy.",
  controls: [controls.nistTransmission, controls.nistCryptographicProtection, controls.pciTransmission],
  check: (context) => checkPlaintext(context, mtlsPortHole, "some"),
};
