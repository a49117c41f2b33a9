/** What looks like a denial or like traffic that passes, and is neither. */
import type { MetricEnd } from "../../../sdk/monitoring/table";
import type { Watched } from "../declarations";
import type { InputSeries, Scenario } from "../promtool";
import { flowOwners, pairOf } from "./pair";
import {
  constant,
  counter,
  drops,
  healthy,
  hubble,
  labelled,
  pairLabels,
  passes,
  policyChanges,
  steps,
} from "./series";

/** What looks like a denial or like traffic that passes, and is neither. */
export function falseFriends({ monitoring, plan }: Watched): readonly Scenario[] {
  const pair = pairOf(monitoring);
  const { source, destination } = pair;
  const outside: MetricEnd = { namespace: "", name: "reserved:world" };
  const denied = flowOwners(monitoring, pair).map((owner) => `DeclaredFlowDenied ${owner} critical`);
  const cut = flowOwners(monitoring, pair).map((owner) => `DeclaredFlowCut ${owner} critical`);
  const verdict = (to: MetricEnd, labels: Readonly<Record<string, string>>): InputSeries => ({
    series: labelled("hubble_policy_verdicts_total", {
      ...hubble,
      match: "l3-l4",
      action: "forwarded",
      ...labels,
      ...pairLabels(source, to),
    }),
    values: counter([6, 40]),
  });
  const changed = [
    ...healthy(40, "cilium_policy_change_total"),
    policyChanges(`${constant(7, 10)} ${constant(9, 30)}`),
  ];
  const burst = (from: MetricEnd, to: MetricEnd, reason?: string): InputSeries =>
    drops(from, to, counter([0, 10], [4, 30]), reason);
  const servers = monitoring.pairs.find(({ flows }) => flows.includes("dns"))?.destination;
  const entrance = plan.flows.find(
    ({ from, to }) => from.kind === "entity" && from.entity === "internet" && to.kind === "workload",
  );
  return [
    {
      title: "verdicts that deny, that let a pod out alone, and those of layer 7 do not pass",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 10], [0, 30])),
        verdict(destination, { direction: "ingress", action: "dropped" }),
        verdict(destination, { direction: "egress", match: "all" }),
        verdict(destination, { direction: "ingress", match: "l7/http" }),
        burst(source, destination),
      ],
      moments: [
        { at: "12m", firing: cut },
        { at: "21m", firing: [...cut, ...denied].sort() },
      ],
    },
    {
      title: "out of the cluster and to namespaces without policies, only verdicts that let a pod out pass",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...(servers === undefined
          ? []
          : [
              verdict(servers, { direction: "egress", action: "dropped" }),
              verdict(servers, { direction: "egress", match: "l7/dns" }),
              verdict(servers, { direction: "ingress" }),
              burst(source, servers),
            ]),
      ],
      moments:
        servers === undefined
          ? []
          : [
              { at: "12m", firing: ["DeclaredFlowCut platform critical"] },
              { at: "21m", firing: ["DeclaredFlowCut platform critical", "DeclaredFlowDenied platform critical"] },
            ],
    },
    {
      title: "a source that gives up after four minutes is silent",
      about: ["DeclaredFlowDenied"],
      series: [
        ...healthy(25),
        ...passes(source, destination, counter([6, 4], [0, 21])),
        drops(source, destination, counter([0, 10], [8, 4], [0, 11])),
      ],
      moments: ["14m", "17m", "20m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "a declared flow of which little is denied: nobody, or its owner after some minutes",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 5], [0, 35])),
        drops(source, destination, counter([0, 10], [0.45, 30])),
      ],
      moments: [
        { at: "13m", firing: [] },
        { at: "24m", firing: denied },
      ],
    },
    {
      title: "a declared flow of which one packet is denied in 100 seconds is silent",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 5], [0, 35])),
        drops(source, destination, counter([0, 10], [0.15, 30])),
      ],
      moments: ["13m", "24m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "a change that agents refuse cuts nothing: the flow is denied for another reason",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied"],
      series: [
        ...healthy(40),
        policyChanges(`${constant(7, 10)} ${constant(9, 30)}`, "fail"),
        ...passes(source, destination, counter([6, 10], [0, 30])),
        burst(source, destination),
      ],
      moments: [
        { at: "13m", firing: [] },
        { at: "22m", firing: denied },
      ],
    },
    {
      title: "a single event towards a closed address, and what a node tries, are no attempt of a pod",
      about: ["MetadataEndpointTried"],
      series: [
        ...healthy(25),
        drops(source, outside, `_x${steps(5)} 1x${steps(20)}`, "POLICY_DENY"),
        drops({ namespace: "", name: "reserved:host" }, outside, counter([4, 25]), "POLICY_DENY"),
      ],
      moments: ["7m", "12m", "20m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "drops that no policy makes are silent",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied", "UndeclaredFlowDenied"],
      series: [
        ...changed,
        ...passes(source, destination, counter([6, 10], [0, 30])),
        burst(source, destination, "STALE_OR_UNROUTABLE_IP"),
        burst({ namespace: source.namespace, name: "stranger" }, destination, "CT_MAP_INSERTION_FAILED"),
      ],
      moments: ["12m", "21m", "35m"].map((at) => ({ at, firing: [] })),
    },
    {
      title: "an explicit deny towards the outside, or from there, is held against no declared flow",
      about: ["DeclaredFlowCut", "DeclaredFlowDenied", "UndeclaredFlowDenied", "ClosedWorkloadTried"],
      series: [
        ...changed,
        ...monitoring.pairs
          .filter((each) => each.destination.name === outside.name && each.source.namespace !== "")
          .flatMap((each) => [
            ...passes(each.source, outside, counter([6, 10], [0, 30])),
            burst(each.source, outside, "POLICY_DENY"),
          ]),
        ...(entrance === undefined
          ? []
          : monitoring.pairs
              .filter((each) => each.source.name === outside.name && each.destination.namespace !== "")
              .map((each) => burst(outside, each.destination, "POLICY_DENY"))),
        burst(source, outside, "POLICY_DENY"),
        burst(outside, { namespace: destination.namespace, name: "hidden" }, "POLICY_DENY"),
      ],
      moments: [
        { at: "12m", firing: ["MetadataEndpointTried security critical"] },
        { at: "38m", firing: ["ClosedWorkloadTried security critical", "MetadataEndpointTried security critical"] },
      ],
    },
  ];
}
