import { isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import type { Installation } from "../../installations";
import { agentSwitch, installations, settingAt, switchAt } from "../../installations";
import { findingOf } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Traffic between nodes crosses wires that others share (issue: Calico or Cilium with WireGuard, S0). */
export const encryptionOff: Rule = {
  id: "encryption-off",
  title: "Traffic between nodes is not encrypted",
  severity: "medium",
  why: "By default both enforcers send traffic between nodes in the clear: anyone with access to the network can read it.",
  description:
    "The installation of Cilium sets encryption.enabled with a type that its chart knows (wireguard, ipsec, ztunnel from " +
    "1.19), or the agent's enable-wireguard or enable-ipsec; that of Calico sets wireguardEnabled in its " +
    "FelixConfiguration, or in the chart's defaultFelixConfiguration.",
  remediation:
    "Cilium: encryption.enabled true and encryption.type wireguard. Calico: wireguardEnabled true in the " +
    "FelixConfiguration `default`.",
  controls: [
    controls.nistTransmission,
    controls.nistCryptographicProtection,
    controls.pciTransmission,
    controls.isoCryptography,
    controls.soc2DataInMotion,
  ],
  check: checkEncryption,
};

function* checkEncryption(context: RuleContext): Iterable<Finding> {
  const found = installations(context.reachability.snapshot);
  for (const installation of found.filter(({ product }) => product === "cilium")) {
    const [state, path] = ciliumState(installation);
    if (state !== "on") yield describe(installation, state, path);
  }
  const calico = found.filter(({ product }) => product === "calico");
  const states = calico.map((installation) => ({ installation, ...calicoState(installation) }));
  if (states.some(({ state }) => state === "on")) return;
  const worst = states.find(({ state }) => state === "unclear") ?? states[0];
  if (worst !== undefined) yield describe(worst.installation, worst.state, worst.path);
}

type State = "on" | "off" | "unclear";

function ciliumState({ form, settings, version, certain }: Installation): [State, string] {
  if (form === "agent-config" && !certain) return ["unclear", "metadata.name"];
  if (form === "agent-config") {
    const states = ["enable-wireguard", "enable-ipsec"].map((key) => agentSwitch(settings, key));
    const state = states.includes("on") ? "on" : states.includes("unclear") ? "unclear" : "off";
    return [state, "data.enable-wireguard"];
  }
  const enabled = switchAt(settings, "encryption.enabled", false);
  if (enabled !== "on") return [enabled, "values.encryption.enabled"];
  const type = settingAt(settings, "encryption.type") ?? "ipsec";
  if (isUnknown(type) || typeof type !== "string") return ["unclear", "values.encryption.type"];
  const known = ["wireguard", "ipsec", ...(mayHaveZtunnel(version) ? ["ztunnel"] : [])];
  return known.includes(type) ? ["on", ""] : ["unclear", "values.encryption.type"];
}

/** ztunnel came with chart 1.19. */
function mayHaveZtunnel(version: string | undefined): boolean {
  const minor = /^v?1\.(\d+)/.exec(version ?? "")?.[1];
  return minor === undefined || Number(minor) >= 19;
}

function calicoState({ form, settings, certain }: Installation): { state: State; path: string } {
  if (!certain) return { state: "unclear", path: "metadata.name" };
  const felix = form === "felix";
  // the chart makes the FelixConfiguration only where it is told to
  const made = felix ? "on" : switchAt(settings, "defaultFelixConfiguration.enabled", false);
  if (made !== "on") return { state: made, path: "values.defaultFelixConfiguration.enabled" };
  const path = felix ? "wireguardEnabled" : "defaultFelixConfiguration.wireguardEnabled";
  return { state: switchAt(settings, path, false), path: `${felix ? "spec" : "values"}.${path}` };
}

function describe({ subject, source, product }: Installation, state: State, path: string): Finding {
  const name = product === "cilium" ? "Cilium" : "Calico";
  const off = state === "off";
  return findingOf(encryptionOff, {
    subject,
    certainty: off ? "definite" : "possible",
    message: off
      ? `${name} sends traffic between nodes unencrypted: ${subject.kind} ${subject.name}`
      : `${name} possibly sends traffic between nodes unencrypted: ${subject.kind} ${subject.name}`,
    because: [off ? `${path} is not switched on` : `${path} is not known yet, or is no value that the chart knows`],
    causes: [source],
  });
}
