import semver from "semver";
import { ciliumKeysAbsentIn } from "../../../charts";
import { controls } from "../../controls";
import type { Installation } from "../../installations";
import { installations, settingAt } from "../../installations";
import type { Fields } from "../../plain";
import { mapOf } from "../../plain";
import { findingOf } from "../../report";
import { list } from "../../subjects";
import type { Finding, Rule, RuleContext } from "../../types";

/** Keys move between versions of a chart, and Helm passes over a key that it does not know. */
export const chartValueIgnored: Rule = {
  id: "chart-value-ignored",
  title: "The version of the enforcer's chart does not read a value",
  severity: "high",
  why: "Helm silently ignores a key that the chart does not read: what it should switch on, such as strict encryption, stays off.",
  description:
    "No value of a Cilium release uses a key that this version of the chart does not have, or a switch " +
    "for encryption or policies that no version ever had.",
  remediation: "Use the key that this version reads, or the version that reads the key.",
  controls: [controls.nistCryptographicProtection, controls.pciRuleSets, controls.nistChangeControl],
  check: checkValues,
};

/** Switches that people write and no version of a chart reads, with what is meant. */
const neverRead: Readonly<Record<Installation["product"], Readonly<Record<string, string>>>> = {
  cilium: {
    "encryption.wireguard.enabled": "encryption.enabled and encryption.type: wireguard",
    "wireguard.enabled": "encryption.enabled and encryption.type: wireguard",
    enableWireguard: "encryption.enabled and encryption.type: wireguard",
    "encryption.nodeEncryption.enabled": "encryption.nodeEncryption",
    policyEnforcement: "policyEnforcementMode",
    "policy.enforcementMode": "policyEnforcementMode",
    auditMode: "policyAuditMode",
  },
  calico: {
    wireguardEnabled: "defaultFelixConfiguration.wireguardEnabled",
    "installation.wireguardEnabled": "defaultFelixConfiguration.wireguardEnabled",
    "felixConfiguration.wireguardEnabled": "defaultFelixConfiguration.wireguardEnabled",
  },
};

function* checkValues(context: RuleContext): Iterable<Finding> {
  for (const installation of installations(context.reachability.snapshot)) {
    if (installation.form !== "values") continue;
    const { subject, source, settings, version, versionUnknown, product } = installation;
    const values: Fields = mapOf(settings);
    const wrong = [
      ...(product === "cilium" && version !== undefined && semver.valid(version) !== null
        ? ciliumKeysAbsentIn(version, values)
        : []),
      ...Object.entries(neverRead[product])
        .filter(([key]) => isSet(settings, key))
        .map(([key, instead]) => ({ key, instead })),
    ];
    if (wrong.length === 0) {
      if (versionUnknown === true) {
        yield findingOf(chartValueIgnored, {
          subject,
          certainty: "possible",
          message: `Whether the chart of ${subject.kind} ${subject.name} reads its values is not known`,
          because: ["spec.version is not known yet, and keys move between versions"],
          fix: "Write the chart's version as a literal.",
          causes: [source],
        });
      }
      continue;
    }
    yield findingOf(chartValueIgnored, {
      subject,
      message: `${subject.kind} ${subject.name} sets values that its chart does not read: ${list(wrong.map(({ key }) => `values.${key}`))}`,
      because: wrong.map(({ key, instead }) => `values.${key} does not exist in this version; meant is ${instead}`),
      causes: [source],
    });
  }
}

/** Whether a key is in the map that it belongs to; its value may be unknown. */
function isSet(settings: unknown, path: string): boolean {
  const keys = path.split(".");
  const last = keys.pop() as string;
  const holder = keys.length === 0 ? settings : settingAt(settings, keys.join("."));
  const value = mapOf(holder)[last];
  return value !== undefined && value !== null;
}
