/** Verdicts that a real Cilium agent gave; see measured/README.md. */
import { readFileSync } from "node:fs";
import path from "node:path";

const folder = path.join(__dirname, "measured");

export type MeasuredProtocol = "TCP" | "UDP" | "SCTP" | "ICMP";

/** The namespaces and pods of a measurement. */
export interface MeasuredWorld {
  readonly namespaces: readonly { readonly name: string; readonly labels?: Record<string, string> }[];
  readonly pods: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly labels: Record<string, string>;
    readonly serviceAccount?: string;
  }[];
}

/** One documented form of a policy. */
export interface MeasuredForm<Policy> {
  readonly case: string;
  /** What the API server and the agent made of it. */
  readonly state: string;
  readonly policies: readonly Policy[];
  readonly expected: readonly {
    readonly from: string;
    readonly to: string;
    readonly port: number;
    readonly protocol: MeasuredProtocol;
    readonly allowed: boolean;
  }[];
}

/** One random set of policies. */
export interface MeasuredSet<Policy> {
  readonly id: string;
  readonly policies: readonly Policy[];
  /** Indices of policies that the API server refused. */
  readonly refused: readonly number[];
  /** `N:enforced`, or `N:stored` where the agent made nothing of policy N. */
  readonly states: readonly string[];
  /** Connections that passed, of `probes`. */
  readonly allowed: ReadonlySet<string>;
}

/** The documented forms, and the pods that they were tried between. */
export function measuredForms<Policy>(): {
  readonly world: MeasuredWorld;
  readonly cases: readonly MeasuredForm<Policy>[];
} {
  const { world, cases } = read<{
    world: MeasuredWorld;
    cases: { case: string; state: string; policies: Policy[]; allowed: string[]; denied: string[] }[];
  }>("forms.json");
  const connections = (texts: readonly string[], allowed: boolean): MeasuredForm<Policy>["expected"] =>
    texts.map((text) => {
      const [from = "", to = "", port = "", protocol = ""] = text.split(" ");
      return { from, to, port: Number(port), protocol: protocol as MeasuredProtocol, allowed };
    });
  return {
    world,
    cases: cases.map(({ allowed, denied, ...rest }) => ({
      ...rest,
      expected: [...connections(allowed, true), ...connections(denied, false)],
    })),
  };
}

/** The random sets, and every connection that was tried of each, as `FROM TO PORT PROTOCOL`. */
export function measuredSets<Policy>(): {
  readonly world: MeasuredWorld;
  readonly probes: readonly string[];
  readonly cases: readonly MeasuredSet<Policy>[];
} {
  const { world, probes, cases } = read<{
    world: MeasuredWorld;
    probes: string[];
    cases: (Omit<MeasuredSet<Policy>, "allowed"> & { allowed: string })[];
  }>("random.json");
  return {
    world,
    probes,
    cases: cases.map(({ allowed: digits, ...rest }) => {
      const bits = [...digits].map((digit) => Number.parseInt(digit, 16).toString(2).padStart(4, "0")).join("");
      return { ...rest, allowed: new Set(probes.filter((_, index) => bits[index] === "1")) };
    }),
  };
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(path.join(folder, file), "utf8")) as T;
}
