/** Expected connections: what must pass, and what must not. */

/** What a scenario expects. */
export const expectations = ["allowed", "denied"] as const;
/** One of {@link expectations}. */
export type Expectation = (typeof expectations)[number];

/** One expected connection, as it stands in a file. */
export interface Scenario {
  /** Where it starts: `shop/web`, an address, or another end that `query` takes. */
  readonly from: string;
  /** Where it goes, with its port: `shop/api:8080/TCP`. Without a port, only where it is denied: every TCP port. */
  readonly to: string;
  readonly expect: Expectation;
  /** Why it is expected, in the words of whoever answers for it. */
  readonly because: string;
  /** False: it is computed, and no packets are sent for it. Default true. */
  readonly packets?: boolean;
  /** The destination serves a port that its containers do not list. Default false: such a port is refused as a slip. */
  readonly unlistedPort?: boolean;
}

/** Scenarios under a heading. */
export interface ScenarioGroup {
  readonly title: string;
  readonly scenarios: readonly Scenario[];
}

/** One line: `shop/web to shop/api:8080/TCP is allowed`. */
export function describeScenario({ from, to, expect }: Scenario): string {
  return `${from} to ${to} is ${expect}`;
}
