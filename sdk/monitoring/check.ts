/** What is wrong with the settings of monitoring. */
import type { Plan } from "../plan";
import { isDay } from "../plan/days";
import type { MonitoringProblem } from "./errors";
import type { MonitoringSettings } from "./settings";

/** Everything that is wrong with the settings; nothing where they can be used. */
export function checkSettings(settings: MonitoringSettings, plan: Plan): readonly MonitoringProblem[] {
  const problems: MonitoringProblem[] = [];
  const refuse = (isWrong: boolean, path: string, message: string): void => {
    if (isWrong) problems.push({ path, message });
  };
  const { objective, leastTraffic, scrapeInterval, maxSeries } = settings;
  refuse(
    !(objective > 0.5 && objective < 1),
    "objective",
    "is a share in percent above 50 and below 100, such as 99.9",
  );
  refuse(!(leastTraffic >= 0), "leastTraffic", "is a number of verdicts a second, 0 or more");
  refuse(
    !(Number.isInteger(scrapeInterval) && scrapeInterval >= 1 && scrapeInterval <= 30),
    "scrapeInterval",
    "is a whole number of seconds from 1 to 30: the shortest windows are a minute and need two samples",
  );
  refuse(!(Number.isInteger(maxSeries) && maxSeries > 0), "maxSeries", "is a whole number above 0");
  for (const [path, text] of [
    ["securityOwner", settings.securityOwner],
    ["platformOwner", settings.platformOwner],
    ...[...settings.namespaceOwners].map(([name, owner]) => [`namespaceOwners (${name})`, owner] as const),
  ] as const) {
    refuse(text.trim() === "", path, "is empty; name who is told");
  }
  const workloads = new Set(plan.workloads.map(({ namespace, name }) => `${namespace}/${name}`));
  for (const workload of settings.appLabels.keys()) {
    refuse(!workloads.has(workload), "appLabels", `${workload} is not declared; write namespace/name of a workload`);
  }
  settings.mutes.forEach(({ from, until, reason }, index) => {
    const path = `mutes[${index}]`;
    refuse(!isDay(from), `${path}.from`, "is no day; write it as 2027-03-29");
    refuse(!isDay(until), `${path}.until`, "is no day; write it as 2027-03-31");
    refuse(isDay(from) && isDay(until) && until < from, `${path}.until`, "is before `from`");
    refuse(reason.trim() === "", `${path}.reason`, "is empty; say why nobody is to hear of it");
  });
  return problems;
}
