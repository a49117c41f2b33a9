/** The part of Alertmanager's configuration that knows these alerts: routes, inhibition, mutes. */
import type { MonitoringSettings, MuteDeclaration } from "./settings";
import type { Alert } from "./types";

/** A node of the tree of routes. */
interface AlertRoute {
  readonly receiver?: string;
  readonly matchers?: readonly string[];
  readonly group_by?: readonly string[];
  readonly group_wait?: string;
  readonly group_interval?: string;
  readonly repeat_interval?: string;
  readonly continue?: boolean;
  readonly mute_time_intervals?: readonly string[];
  readonly routes?: readonly AlertRoute[];
}

/** While an alert of the source fires, those of the target are not sent. */
interface InhibitRule {
  readonly source_matchers: readonly string[];
  readonly target_matchers: readonly string[];
  readonly equal?: readonly string[];
}

/** Days of one month. */
export interface CalendarDays {
  readonly years: readonly string[];
  readonly months: readonly string[];
  readonly days_of_month: readonly string[];
}

/** Named days, as routes mute them. */
interface TimeInterval {
  readonly name: string;
  readonly time_intervals: readonly CalendarDays[];
}

/** Keys of Alertmanager's configuration (0.24 and newer). Receivers are named; who they are is filled in elsewhere. */
export interface AlertmanagerFragment {
  readonly route: AlertRoute;
  readonly receivers: readonly { readonly name: string }[];
  readonly inhibit_rules: readonly InhibitRule[];
  readonly time_intervals: readonly TimeInterval[];
}

/** The name of an owner's receiver. */
function receiverOf(owner: string): string {
  return `owner-${owner}`;
}

/** Alerts after which no other one about denials says anything. */
const blinding = ["EnforcementOff", "EnforcementAudited", "PolicyMetricsAbsent"];

/** Routes every alert to its owner. */
export function alertmanagerFragment(
  alerts: readonly Alert[],
  owners: readonly string[],
  settings: MonitoringSettings,
): AlertmanagerFragment {
  const names = [...new Set(alerts.map(({ name }) => name))].sort();
  const fallback = receiverOf(settings.platformOwner);
  return {
    route: {
      receiver: fallback,
      routes: [
        {
          // nothing of anybody else's goes here
          matchers: [`alertname=~${JSON.stringify(names.join("|"))}`],
          receiver: fallback,
          group_by: ["alertname", "owner", "namespace"],
          group_wait: "30s",
          group_interval: "5m",
          repeat_interval: "12h",
          routes: [...muteRoutes(settings), ...owners.flatMap(routesOf)],
        },
      ],
    },
    receivers: [...new Set([settings.platformOwner, ...owners])].sort().map((owner) => ({ name: receiverOf(owner) })),
    inhibit_rules: inhibitions(alerts),
    time_intervals: settings.mutes.map((mute, index) => ({ name: muteName(index), time_intervals: calendar(mute) })),
  };
}

/** What is critical is sent at once and again after four hours; the rest waits for its group. */
function routesOf(owner: string): AlertRoute[] {
  const receiver = receiverOf(owner);
  const own = `owner=${JSON.stringify(owner)}`;
  return [
    {
      matchers: [own, 'severity="critical"'],
      receiver,
      group_wait: "10s",
      group_interval: "1m",
      repeat_interval: "4h",
    },
    { matchers: [own, 'severity="info"'], receiver, repeat_interval: "7d" },
    { matchers: [own], receiver },
  ];
}

/** A muted route comes before the others and takes its alerts. Outside its days it sends them as they would. */
function muteRoutes(settings: MonitoringSettings): AlertRoute[] {
  return settings.mutes.map(({ alert, owner }, index) => ({
    matchers: [
      ...(alert === undefined ? [] : [`alertname=${JSON.stringify(alert)}`]),
      ...(owner === undefined ? [] : [`owner=${JSON.stringify(owner)}`]),
      ...(alert === undefined && owner === undefined ? ['owner!=""'] : []),
    ],
    receiver: receiverOf(owner ?? settings.platformOwner),
    mute_time_intervals: [muteName(index)],
  }));
}

function muteName(index: number): string {
  return `cluster-security-mute-${index + 1}`;
}

/** The days from the first to the last, month by month: intervals of Alertmanager have no other end. */
export function calendar({ from, until }: Pick<MuteDeclaration, "from" | "until">): readonly CalendarDays[] {
  const parts: CalendarDays[] = [];
  const last = new Date(`${until}T00:00:00Z`);
  let day = new Date(`${from}T00:00:00Z`);
  while (day <= last) {
    const [year, month] = [day.getUTCFullYear(), day.getUTCMonth()];
    const endOfMonth = new Date(Date.UTC(year, month + 1, 0));
    const end = endOfMonth < last ? endOfMonth : last;
    parts.push({
      years: [String(year)],
      months: [String(month + 1)],
      days_of_month: [`${day.getUTCDate()}:${end.getUTCDate()}`],
    });
    day = new Date(Date.UTC(year, month + 1, 1));
  }
  return parts;
}

function inhibitions(alerts: readonly Alert[]): readonly InhibitRule[] {
  const has = (name: string): boolean => alerts.some((alert) => alert.name === name);
  const named = (names: readonly string[]): string => `alertname=~${JSON.stringify(names.join("|"))}`;
  const ofScope = (scope: Alert["scope"], isTaken: (alert: Alert) => boolean): string[] =>
    [...new Set(alerts.filter((alert) => alert.scope === scope && isTaken(alert)).map(({ name }) => name))].sort();
  const isAboutTraffic = ({ source }: Alert): boolean => source === "hubble" || source === "istio";
  const denials = ["cluster", "namespace", "flow"].flatMap((scope) => ofScope(scope as Alert["scope"], isAboutTraffic));
  const rules: InhibitRule[] = [];
  const pair = ["source_namespace", "source", "destination_namespace", "destination"];
  const sources = blinding.filter(has);
  // where nothing is enforced or nothing is reported, what is denied says nothing
  if (denials.length > 0 && sources.length > 0) {
    rules.push({ source_matchers: [named(sources)], target_matchers: [named(denials)] });
  }
  const wide = ofScope("cluster", isAboutTraffic).filter((name) => name === "ViolationBudgetBurnsFast");
  const narrow = alerts
    .filter(({ scope, severity }) => scope === "namespace" && severity === "warning")
    .filter(isAboutTraffic);
  if (wide.length > 0 && narrow.length > 0) {
    rules.push({
      source_matchers: [named(wide)],
      target_matchers: [named([...new Set(narrow.map(({ name }) => name))].sort())],
    });
  }
  if (has("DeclaredFlowCut")) {
    const others = ["DeclaredFlowDenied", "DeclaredPairPartlyDenied"].filter(has);
    rules.push({ source_matchers: [named(["DeclaredFlowCut"])], target_matchers: [named(others)], equal: pair });
  }
  if (has("DeclaredFlowDenied")) {
    rules.push({
      source_matchers: [named(["DeclaredFlowDenied"])],
      target_matchers: [named(["DeclaredPairPartlyDenied"])],
      equal: pair,
    });
  }
  return rules;
}
