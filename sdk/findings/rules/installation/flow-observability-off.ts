import { controls } from "../../controls";
import type { Installation } from "../../installations";
import { agentSwitch, installations, switchAt } from "../../installations";
import { findingOf } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/** Flows have to be seen before policies are enforced, and as long as they are. */
export const flowObservabilityOff: Rule = {
  id: "flow-observability-off",
  title: "Flows are not recorded",
  severity: "medium",
  why: "Without flow records, drops go unnoticed: neither an attack nor an outage shows.",
  description:
    "Hubble is not switched off in Cilium's values or agent configuration, and Goldmane is not switched off in the values " +
    "of the tigera-operator chart.",
  remediation: "Set hubble.enabled (Cilium) or goldmane.enabled (Calico) to true.",
  controls: [
    controls.nistAudit,
    controls.nistMonitoring,
    controls.pciLogs,
    controls.isoMonitoring,
    controls.soc2Detection,
  ],
  check: checkFlows,
};

function* checkFlows(context: RuleContext): Iterable<Finding> {
  // the operator's resource may stand beside its chart, which then has it switched off
  const goldmane = context.reachability.snapshot.others.some(
    ({ object }) => object.kind === "Goldmane" && object.apiVersion.startsWith("operator.tigera.io/"),
  );
  for (const installation of installations(context.reachability.snapshot)) {
    const [state, path] = stateOf(installation);
    if (state === "on" || (installation.product === "calico" && goldmane)) continue;
    const { subject, source, product } = installation;
    const what = product === "cilium" ? "Hubble" : "Goldmane";
    yield findingOf(flowObservabilityOff, {
      subject,
      certainty: state === "off" ? "definite" : "possible",
      message: `${what} ${state === "off" ? "is" : "is possibly"} switched off: ${subject.kind} ${subject.name}`,
      because: [state === "off" ? `${path} is switched off` : `${path} is not known yet, or neither true nor false`],
      causes: [source],
    });
  }
}

function stateOf({ product, form, settings, certain }: Installation): ["on" | "off" | "unclear", string] {
  if (form === "felix") return ["on", ""];
  if (product === "calico") return [switchAt(settings, "goldmane.enabled", true), "values.goldmane.enabled"];
  if (form === "agent-config" && !certain) return ["unclear", "metadata.name"];
  if (form === "agent-config") {
    // an excerpt that does not speak of Hubble says nothing; the chart's default is on
    return ["enable-hubble" in Object(settings) ? agentSwitch(settings, "enable-hubble") : "on", "data.enable-hubble"];
  }
  return [switchAt(settings, "hubble.enabled", true), "values.hubble.enabled"];
}
