/** S1-25: denials as a share of all verdicts, and what has to fire when an objective of 99.9 % fails. */
import type { InputSeries, Scenario } from "../promtool";
import { counter, healthy, verdicts } from "./series";

const fast = "ViolationBudgetBurnsFast security critical";
const slow = "ViolationBudgetBurnsSlowly security warning";

/** So long, this many verdicts a minute that let pass, and so many that deny. */
type Part = readonly [minutes: number, passed: number, denied: number];

const each = (parts: readonly Part[], of: (part: Part) => number): string =>
  // `counter` has four steps to a minute, and here a minute is one step
  counter(...parts.map((part) => [of(part), part[0] / 4] as const));

/** Verdicts of some hours, beside much more that is none, of TCP or of a policy. */
function traffic(...parts: readonly Part[]): InputSeries[] {
  const quarters = parts.reduce((sum, [minutes]) => sum + minutes, 0) / 4;
  const noise = (perMinute: number): string => counter([perMinute, quarters]);
  return [
    ...healthy(quarters, "hubble_flows_processed_total"),
    verdicts(
      "FORWARDED",
      each(parts, ([, passed]) => passed),
    ),
    verdicts(
      "DROPPED",
      each(parts, ([, , denied]) => denied),
    ),
    verdicts("FORWARDED", noise(20_000), "ICMPv4"),
    verdicts("DROPPED", noise(2_000), "ICMPv4"),
    verdicts("FORWARDED", noise(20_000), "TCP", "Trace"),
    verdicts("DROPPED", noise(2_000), "TCP", "Drop"),
  ];
}

function scenario(
  title: string,
  parts: readonly Part[],
  firing: Readonly<Record<string, readonly string[]>>,
  about: readonly string[] = ["ViolationBudgetBurnsFast", "ViolationBudgetBurnsSlowly"],
): Scenario {
  return {
    title: `S1-25 ${title}`,
    about,
    interval: "1m",
    evaluation: "5m",
    series: traffic(...parts),
    moments: Object.entries(firing).map(([at, alerts]) => ({ at, firing: alerts })),
  };
}

/** Each pair of windows alone, and each of its conditions alone not met. */
export function budgetScenarios(): readonly Scenario[] {
  return [...shares(), ...windows(), ...littleTraffic()];
}

function shares(): readonly Scenario[] {
  return [
    scenario("0.2 percent: the budget burns slowly", [[128, 1000, 2]], { "50m": [], "120m": [slow] }),
    scenario("0.05 percent is within the objective", [[480, 1000, 0.5]], { "120m": [], "470m": [] }),
    scenario("a single denial in a cluster without traffic says nothing", [[480, 0.5, 0.5]], {
      "120m": [],
      "470m": [],
    }),
  ];
}

function windows(): readonly Scenario[] {
  return [
    scenario(
      "five percent for half an hour: the last hour and minutes say so, the last hours do not; slowly it burns for less than an hour",
      [
        [360, 1000, 0],
        [32, 1000, 50],
        [60, 1000, 0],
      ],
      {
        // the last five and thirty minutes are above their limits, the last hour and hours are not
        "365m": [],
        "390m": [fast],
        // it is over, and goes on being told for a while
        "400m": [fast],
        // the hour is still above its limit, and so are the thirty minutes above theirs
        "415m": [],
      },
    ),
    scenario(
      "one percent for two hours: the last hours and half an hour say so",
      [
        [120, 1000, 10],
        [60, 1000, 0],
      ],
      { "50m": [fast], "115m": [fast, slow], "165m": [slow] },
    ),
    scenario(
      "half a percent that is over for six hours: three days still say so",
      [
        [60, 10_000, 50],
        [460, 1000, 0],
      ],
      { "100m": [slow], "460m": [slow], "500m": [] },
      ["ViolationBudgetBurnsSlowly"],
    ),
    scenario(
      "half a percent for some hours after days of none",
      [
        [60, 40_000, 0],
        [500, 1000, 5],
      ],
      { "540m": [] },
      ["ViolationBudgetBurnsSlowly"],
    ),
  ];
}

/** A share of little says nothing, in each of its windows. */
function littleTraffic(): readonly Scenario[] {
  return [
    scenario(
      "traffic ends while it burns: what little is left says nothing",
      [
        [32, 1000, 0],
        [32, 1000, 50],
        [60, 0, 1],
      ],
      { "55m": [fast], "112m": [slow] },
      ["ViolationBudgetBurnsFast"],
    ),
    scenario(
      "a hundred connections after hours of none, half of them denied",
      [
        [120, 0, 0],
        [8, 30, 30],
      ],
      { "125m": [] },
      ["ViolationBudgetBurnsFast"],
    ),
    scenario("hours of some connections, and no days", [[208, 20, 0.1]], { "200m": [] }, [
      "ViolationBudgetBurnsSlowly",
    ]),
    scenario(
      "days of many connections, and hours of few",
      [
        [60, 10_000, 50],
        [500, 1, 0.005],
      ],
      { "540m": [] },
      ["ViolationBudgetBurnsSlowly"],
    ),
  ];
}
