/** What has to fire, and what must not, on Cilium with enforced policies: single pairs, agents, and metrics that are gone. */
import type { Watched } from "../declarations";
import type { InputSeries, Scenario } from "../promtool";
import { budgetScenarios } from "./budget";
import { denialScenarios, successScenario } from "./denials";
import {
  agent,
  between,
  constant,
  counter,
  enforcement,
  fires,
  healthy,
  hubble,
  labelled,
  policyChanges,
  silent,
  slowly,
  verdicts,
  within,
} from "./series";

/** What has to fire, and what must not, on Cilium with enforced policies. */
export function ciliumScenarios(example: Watched): readonly Scenario[] {
  return [
    ...denialScenarios(example),
    ...within(["table", "denials", "cilium"], [successScenario(example)]),
    ...agentScenarios(example),
  ];
}

/** The part of it that is not about single pairs. */
export function agentScenarios(example: Watched): readonly Scenario[] {
  return [
    ...within(["budget"], budgetScenarios()),
    ...within(["cilium", "watch"], slowly(troubles())),
    ...within(["watch"], slowly(absentScenarios(example))),
  ];
}

function troubles(): readonly Scenario[] {
  const of = (metric: string, labels: Record<string, string>, values: string): InputSeries => ({
    series: labelled(metric, { ...agent, ...labels }),
    values,
  });
  const delays = (...parts: readonly (readonly [fast: number, slow: number, minutes: number])[]): InputSeries[] => {
    const quick = counter(...parts.map(([fast, , minutes]) => [fast, minutes] as const));
    const all = counter(...parts.map(([fast, slow, minutes]) => [fast + slow, minutes] as const));
    return [
      of("cilium_policy_implementation_delay_bucket", { source: "k8s", le: "1" }, quick),
      of("cilium_policy_implementation_delay_bucket", { source: "k8s", le: "10" }, all),
      of("cilium_policy_implementation_delay_bucket", { source: "k8s", le: "+Inf" }, all),
      of("cilium_policy_implementation_delay_count", { source: "k8s" }, all),
    ];
  };
  const events = (perStep: number, minutes = 20): InputSeries => ({
    series: labelled("hubble_lost_events_total", { ...hubble, source: "hubble_ring_buffer" }),
    values: counter([0, 10], [perStep, minutes], [0, 50 - minutes]),
  });
  const dropped = (reason: string, perStep: number, minutes = 20): InputSeries =>
    of(
      "cilium_drop_count_total",
      { reason, direction: "EGRESS" },
      counter([0, 10], [perStep, minutes], [0, 50 - minutes]),
    );
  const unencrypted = (perStep: number, minutes?: number): InputSeries =>
    dropped("Traffic is unencrypted", perStep, minutes);
  const encrypting = (instance: string, value: number | string): InputSeries => ({
    series: labelled("cilium_feature_adv_connect_and_lb_transparent_encryption", {
      instance,
      mode: "wireguard",
      node2node_enabled: "false",
    }),
    values: typeof value === "string" ? value : constant(value, 60),
  });
  return [
    {
      title: "no endpoint is enforced any more",
      about: ["EnforcementOff"],
      series: [
        ...healthy(60, "cilium_policy_endpoint_enforcement_status"),
        enforcement("both", `${constant(12, 10)} ${constant(0, 20)} ${constant(12, 30)}`),
        enforcement("none", `${constant(5, 10)} ${constant(17, 20)} ${constant(5, 30)}`),
      ],
      moments: between("EnforcementOff security critical", [13, 35]),
    },
    {
      title: "an agent audits",
      about: ["EnforcementAudited"],
      series: [...healthy(60), enforcement("audit-both", `${constant(0, 10)} ${constant(3, 20)} ${constant(0, 30)}`)],
      moments: between("EnforcementAudited security critical", [13, 35]),
    },
    {
      title: "a policy is refused by an agent",
      about: ["PolicyImportFailed"],
      series: [...healthy(60), policyChanges(`${constant(0, 10)} ${constant(1, 50)}`, "fail")],
      moments: between("PolicyImportFailed platform critical", [11, 34]),
    },
    silent("policies are taken over", "PolicyImportFailed", policyChanges(counter([3, 60]), "success")),
    {
      title: "no pod is there yet",
      about: ["EnforcementOff"],
      series: [
        ...healthy(60, "cilium_policy_endpoint_enforcement_status"),
        enforcement("both", constant(0, 60)),
        enforcement("none", constant(0, 60)),
      ],
      moments: [{ at: "20m", firing: [] }],
    },
    {
      title: "policies take long",
      about: ["PolicyPropagationSlow"],
      series: [...healthy(60), ...delays([9, 1, 25], [10, 0, 35])],
      moments: between("PolicyPropagationSlow platform warning", [11, 42]),
    },
    silent("one policy took long, and there was no other", "PolicyPropagationSlow", ...delays([0, 0.001, 60])),
    silent("policies are quick", "PolicyPropagationSlow", ...delays([10, 0, 60])),
    fires(
      "a policy map is almost full",
      "PolicyMapPressure platform warning",
      [16, 45],
      of(
        "cilium_bpf_map_pressure",
        { map_name: "policy" },
        `${constant(0.5, 10)} ${constant(0.95, 20)} ${constant(0.5, 30)}`,
      ),
    ),
    silent(
      "another map is full",
      "PolicyMapPressure",
      of("cilium_bpf_map_pressure", { map_name: "ct4_global" }, constant(0.99, 60)),
    ),
    fires("Hubble loses events", "FlowEventsLost platform warning", [16, 41], events(50)),
    silent("Hubble loses a few events", "FlowEventsLost", events(0.5)),
    silent("Hubble loses many events for two minutes", "FlowEventsLost", events(200, 2)),
    silent("Hubble loses less than one event a second", "FlowEventsLost", events(7)),
    silent(
      "Hubble loses few of many events",
      "FlowEventsLost",
      events(20),
      verdicts("REDIRECTED", counter([20_000, 60])),
    ),
    silent("packets are dropped for another reason", "UnencryptedTrafficDropped", dropped("Invalid source ip", 5)),
    silent("traffic in the clear for two minutes", "UnencryptedTrafficDropped", unencrypted(40, 2)),
    silent("little traffic in the clear for six minutes", "UnencryptedTrafficDropped", unencrypted(2.25, 6)),
    fires("traffic in the clear is dropped", "UnencryptedTrafficDropped platform warning", [19, 41], unencrypted(5)),
    silent("one packet in the clear", "UnencryptedTrafficDropped", unencrypted(0.1)),
    {
      title: "one agent encrypts and another does not",
      about: ["EncryptionOff"],
      series: [
        ...healthy(60),
        encrypting("10.0.0.1:9962", 1),
        encrypting("10.0.0.2:9962", `${constant(0, 20)} ${constant(1, 40)}`),
      ],
      moments: between("EncryptionOff security critical", [10, 30]),
    },
    silent("all agents encrypt", "EncryptionOff", encrypting("10.0.0.1:9962", 1), encrypting("10.0.0.2:9962", 1)),
    silent("no agent is to encrypt", "EncryptionOff", encrypting("10.0.0.1:9962", 0)),
    fires("the canary failed", "CanaryFailed security critical", [13, 40], {
      series: 'kube_job_status_failed{namespace="cluster-security-canary",job_name="deny-all-must-block-egress"}',
      values: `${constant(0, 10)} ${constant(1, 20)} ${constant(0, 30)}`,
    }),
    silent("a Job of others failed", "CanaryFailed", {
      series: 'kube_job_status_failed{namespace="shop",job_name="import"}',
      values: constant(1, 60),
    }),
  ];
}

/** Each metric that alerts stand on, gone. */
function absentScenarios({ monitoring }: Watched): readonly Scenario[] {
  const there: Scenario = {
    title: "every metric is there",
    about: ["PolicyMetricsAbsent"],
    series: healthy(30),
    moments: ["15m", "29m"].map((at) => ({ at, firing: [] })),
  };
  const gone = monitoring.alerts
    .filter(({ name }) => name === "PolicyMetricsAbsent")
    .map(({ labels }): Scenario => {
      const metric = labels?.["metric"] ?? "";
      return {
        title: `${metric} is gone`,
        about: ["PolicyMetricsAbsent"],
        series: healthy(30, metric),
        moments: [
          { at: "9m", firing: [] },
          { at: "15m", firing: ["PolicyMetricsAbsent platform critical"] },
        ],
      };
    });
  const first = gone[0]?.title.split(" ")[0] ?? "";
  const back: Scenario = {
    title: `${first} is gone for a while: what was told goes on being told, and ends`,
    about: ["PolicyMetricsAbsent"],
    series: [
      ...healthy(30, first),
      { series: labelled(first, hubble), values: `${constant(1, 2)} stale _x47 ${constant(1, 17)}` },
    ],
    moments: [
      { at: "10m", firing: [] },
      { at: "16m", firing: ["PolicyMetricsAbsent platform critical"] },
      { at: "24m", firing: [] },
    ],
  };
  return [there, ...gone, back];
}
