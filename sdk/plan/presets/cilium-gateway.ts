import { Entity } from "../declaration";
import type { CiliumGatewayService } from "./declarations";
import { forwards } from "./parts";
import type { Preset } from "./preset";

/**
 * Gateway API and Ingress by Cilium: requests leave its proxy with the identity `ingress`, which backends let in. The
 * proxy itself is no pod, so no policy selects it; visitors reach it without one.
 */
export const ciliumGateway: Preset<CiliumGatewayService> = {
  name: "cilium-gateway",
  title: "Gateway API (Cilium)",
  version: "Cilium 1.17 to 1.20",
  sources: ["https://docs.cilium.io/en/stable/network/servicemesh/ingress-and-network-policy/"],
  options: { backends: "backends", dependsOn: "texts" },
  required: ["backends"],
  expand({ backends }) {
    return { namespaces: [], workloads: [], flows: forwards({ entity: Entity.Ingress }, backends) };
  },
};
