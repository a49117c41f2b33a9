/** What is wrong with the settings of monitoring. */
import type { Plan } from "../plan";
import { isDay } from "../plan/days";
import type { DeclarationProblem } from "../plan";
import { ProblemCollector } from "../plan/errors";
import type { PropertyPath } from "../property-path";
import type { MonitoringSettings } from "./settings";
import { MonitoredEnforcer } from "./settings";

type Refuse = (isWrong: boolean, path: PropertyPath, value: unknown, message: string, fix: string) => void;

/** Everything that is wrong with the settings; nothing where they can be used. */
export function checkSettings(settings: MonitoringSettings, plan: Plan): readonly DeclarationProblem[] {
  const problems = new ProblemCollector();
  const refuse: Refuse = (isWrong, path, value, message, fix) => {
    if (isWrong) problems.add(path, value, message, fix);
  };
  checkNumbers(settings, refuse);
  refuse(
    settings.flowLog !== undefined && settings.enforcer !== MonitoredEnforcer.Cilium,
    ["flowLog"],
    settings.flowLog,
    "has no effect: only Cilium's agents write a flow log",
    "Leave it out. On Calico, Goldmane records every flow; where Cilium enforces policies of another dialect, set `enforcer`.",
  );
  for (const [path, text] of [
    [["securityOwner"], settings.securityOwner],
    [["platformOwner"], settings.platformOwner],
    ...[...settings.namespaceOwners].map(([name, owner]) => [["namespaceOwners", name], owner] as const),
  ] as const) {
    refuse(text.trim() === "", path, text, "is empty", "Name the team that receives the alerts.");
  }
  const workloads = new Set(plan.workloads.map(({ namespace, name }) => `${namespace}/${name}`));
  for (const workload of settings.appLabels.keys()) {
    refuse(
      !workloads.has(workload),
      ["appLabels", workload],
      workload,
      "is not a declared workload",
      "Write namespace/name of a declared workload.",
    );
  }
  settings.mutes.forEach(({ from, until, reason }, index) => {
    const path = ["mutes", index];
    refuse(!isDay(from), [...path, "from"], from, "is not a date", "Write it as 2027-03-29.");
    refuse(!isDay(until), [...path, "until"], until, "is not a date", "Write it as 2027-03-31.");
    const isBefore = isDay(from) && isDay(until) && until < from;
    refuse(isBefore, [...path, "until"], until, "is before from", "Write the last day of the mute.");
    refuse(reason.trim() === "", [...path, "reason"], reason, "is empty", "State why the alert is muted.");
  });
  return problems.problems;
}

function checkNumbers(settings: MonitoringSettings, refuse: Refuse): void {
  const { objective, leastTraffic, scrapeInterval, maxSeries, nodes } = settings;
  refuse(
    !(objective > 0.5 && objective < 1),
    ["objective"],
    objective,
    "is not a share in percent above 50 and below 100",
    "Write a number such as 99.9.",
  );
  refuse(!(leastTraffic >= 0), ["leastTraffic"], leastTraffic, "is below 0", "Write verdicts a second, 0 or more.");
  refuse(
    !(Number.isInteger(scrapeInterval) && scrapeInterval >= 1 && scrapeInterval <= 30),
    ["scrapeInterval"],
    scrapeInterval,
    "is not a whole number of seconds from 1 to 30",
    "Scrape at least every 30 seconds: the shortest window is a minute and needs two samples.",
  );
  refuse(
    !(Number.isInteger(maxSeries) && maxSeries > 0),
    ["maxSeries"],
    maxSeries,
    "is not a whole number above 0",
    "Write a number such as 50000.",
  );
  const isCount = Number.isInteger(nodes) && nodes > 0;
  refuse(!isCount, ["nodes"], nodes, "is not a whole number above 0", "Write how many nodes the cluster has.");
}
