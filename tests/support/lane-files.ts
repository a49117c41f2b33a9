/** Which suites make a lane of the test run: parts that take about as long as each other, of suites that share a lab. */

/** A lane; `rest` takes every file that no other lane of its kind names. */
export interface LaneFiles {
  readonly title: string;
  /** As mocha takes them. */
  readonly patterns: readonly string[];
}

/** The suites that need no engine. */
export const quickLanes = {
  planning: { title: "planner and components", patterns: unitsOf("plan", "components") },
  /** What starts the command. */
  commands: { title: "commands", patterns: unitsOf("cli") },
  /** What starts other programs: promtool, a browser, validators. */
  reports: { title: "monitoring, reports and rendering", patterns: unitsOf("monitoring", "reports", "render") },
  rest: { title: "everything else that needs no engine", patterns: ["tests/**/*.test.ts"] },
} as const satisfies Lanes;

/** The suites on the real engine and the real API server. */
export const engineLanes = {
  /** Hardly anything but waiting: for controllers that do not come. */
  breakGlassTrial: { title: "the trial of break glass", patterns: engineSuites("break-glass-trial") },
  /** Mostly waiting: for ends of bypasses, and for control planes of their own. */
  breakGlass: { title: "break glass and audit", patterns: engineRooms("break-glass", "audit") },
  changes: {
    title: "changes of a stack",
    patterns: engineSuites("drift-sequences", "interruption", "live-check", "options", "order", "standalone", "update"),
  },
  elsewhere: {
    title: "other languages and what they share with Node",
    patterns: engineSuites("consent", "languages", "late-values"),
  },
  installing: {
    title: "installations, command line, live cluster",
    patterns: [
      ...engineRooms("charts", "cli", "cluster", "components"),
      ...engineSuites("cilium-release", "command-line", "network-and-mesh"),
    ],
  },
  lab: { title: "the lab and the pack", patterns: [...engineRooms("lab"), ...engineSuites("pack")] },
  rest: { title: "everything else", patterns: ["tests/**/*.engine.test.ts"] },
} as const satisfies Lanes;

type Lanes = Readonly<Record<string, LaneFiles>> & { readonly rest: LaneFiles };

/** A lane's files, as arguments of mocha. */
export function filesOf<L extends Lanes>(lanes: L, name: keyof L & string): string[] {
  const { patterns } = lanes[name] as LaneFiles;
  if (name !== "rest") return [...patterns];
  const others = Object.entries<LaneFiles>(lanes).filter(([other]) => other !== name);
  return [...patterns, ...others.flatMap(([, lane]) => lane.patterns.flatMap((pattern) => ["--ignore", pattern]))];
}

function unitsOf(...rooms: readonly string[]): string[] {
  return rooms.map((room) => `tests/${room}/**/*.test.ts`);
}

function engineRooms(...rooms: readonly string[]): string[] {
  return rooms.map((room) => `tests/${room}/**/*.engine.test.ts`);
}

function engineSuites(...names: readonly string[]): string[] {
  return names.map((name) => `tests/engine/${name}.engine.test.ts`);
}
