import type { PropertyPath } from "../../property-path";
import { formatPath } from "../../property-path";
import { Protocol } from "../declaration";
import type { Origin, StandIn } from "../deferred";
import { isUnknown, originOf } from "../deferred";
import type { ProblemCollector } from "../errors";
import type { ModelPort, ModelWorkload, PortRange } from "../model";
import { isPortName } from "../names";
import type { Fields, Reader } from "../reader";

const portFields = ["port", "endPort", "protocol", "name", "metrics"];

/** Most ports that one declaration may list; far above what a workload serves, far below what a policy may hold. */
const highestPort = 65535;

/** Reads the ports that a workload serves. */
export function readServedPorts(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
): readonly ModelPort[] {
  const served: ModelPort[] = [];
  reader.list(path, value).forEach((item, index) => {
    const at = [...path, index];
    const fields = reader.item(at, item, portFields, "is not a port", "Write it as tcp(3000) or udp(53).");
    if (fields === undefined) return;
    const protocol = reader.choice([...at, "protocol"], fields["protocol"], Protocol) ?? Protocol.TCP;
    const from = reader.portNumber([...at, "port"], fields["port"]);
    const to = readEndPort(reader, problems, at, fields, from);
    const name = reader.optionalText([...at, "name"], fields["name"]);
    const metrics = reader.flag([...at, "metrics"], fields["metrics"]) ?? false;
    if (name !== undefined && !isPortName(name)) {
      const fix = "Use up to 15 lower-case letters, digits and hyphens, with a letter.";
      problems.add([...at, "name"], name, "is not a port name", fix);
    }
    if (name !== undefined && served.some((other) => other.name === name && other.protocol === protocol)) {
      problems.add(
        [...at, "name"],
        name,
        "is the name of another port of this workload",
        "Give every port its own name.",
      );
    }
    if (metrics && protocol !== Protocol.TCP) {
      problems.add(
        [...at, "metrics"],
        metrics,
        "marks a port that is not TCP",
        "Prometheus metrics are served over TCP.",
      );
    }
    if (from === undefined || to === undefined) return;
    served.push({ protocol, ...rangeOf(fields, from, to), metrics, ...(name === undefined ? {} : { name }) });
  });
  return served;
}

function readEndPort(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  fields: Fields,
  from: number | undefined,
): number | undefined {
  const value = fields["endPort"];
  if (value === undefined || value === null) return from;
  const to = reader.portNumber([...path, "endPort"], value, after(from));
  const isGuessed = isUnknown(fields["port"]) || isUnknown(value);
  if (!isGuessed && to !== undefined && from !== undefined && to < from) {
    problems.add([...path, "endPort"], to, "is below port", `Give a number from ${from} to ${highestPort}.`);
    return undefined;
  }
  return to;
}

/** Stands in for the last port of a range: just behind its first. */
function after(first: number | undefined): StandIn<number> {
  return (_index, variant) => Math.min((first ?? 1) + (variant === "first" ? 1 : 2), highestPort);
}

/** Both ends of a range of ports, in order also where one of them stands in for a number that is not known. */
function rangeOf(fields: Fields, from: number, to: number): Pick<PortRange, "from" | "to" | "origin"> {
  const { origin } = { ...originOf(fields["endPort"]), ...originOf(fields["port"]) };
  if (origin === undefined) return { from, to };
  const isKnown = !isUnknown(fields["port"]) && !isUnknown(fields["endPort"]);
  return { from, to: Math.max(from, to), origin: { ...origin, isKnown } };
}

/** Reads the ports of a flow: numbers, ranges, or names that the destination's ports have. */
export function readFlowPorts(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
  destination: ModelWorkload | undefined,
): readonly PortRange[] {
  const ports: PortRange[] = [];
  reader.list(path, value).forEach((item, index) => {
    const at = [...path, index];
    const fields = reader.item(at, item, portFields, "is not a port", 'Write it as tcp(3000) or port("http").');
    if (fields === undefined) return;
    const chosen = reader.choice([...at, "protocol"], fields["protocol"], Protocol);
    if (fields["port"] === undefined && fields["name"] !== undefined) {
      const name = reader.text([...at, "name"], fields["name"]);
      if (name !== undefined) ports.push(...namedPort(problems, at, name, chosen, destination));
      return;
    }
    const protocol = chosen ?? Protocol.TCP;
    const from = reader.portNumber([...at, "port"], fields["port"]);
    const to = readEndPort(reader, problems, at, fields, from);
    if (from === undefined || to === undefined) return;
    const range = { protocol, ...rangeOf(fields, from, to) };
    const served = destination?.ports ?? [];
    const isServed =
      [range, ...served].some(isGuess) ||
      served.some((port) => port.protocol === protocol && port.from <= from && to <= port.to);
    if (destination !== undefined && served.length > 0 && !isServed) {
      const list = served.map(describePort).join(", ");
      problems.add(at, from, `is a port that ${destination.id} does not serve`, `It serves ${list}.`);
      return;
    }
    ports.push(range);
  });
  return mergePorts(ports);
}

function namedPort(
  problems: ProblemCollector,
  path: PropertyPath,
  name: string,
  protocol: Protocol | undefined,
  destination: ModelWorkload | undefined,
): readonly PortRange[] {
  if (destination === undefined) {
    problems.add(
      [...path, "name"],
      name,
      "names a port, but the destination is no workload",
      "Give the port's number.",
    );
    return [];
  }
  const found = destination.ports.filter(
    (port) => port.name === name && (protocol === undefined || port.protocol === protocol),
  );
  if (found.length === 0) {
    const names = destination.ports.flatMap((port) => (port.name === undefined ? [] : [port.name]));
    const fix = names.length === 0 ? "Its ports have no names; give a number." : `Its ports: ${names.join(", ")}.`;
    problems.add([...path, "name"], name, `is not the name of a port of ${destination.id}`, fix);
  }
  return found.map(plainRange);
}

/** `TCP 3000`, `UDP 8000-8010`. */
export function describePort(port: PortRange): string {
  return `${port.protocol} ${port.from === port.to ? port.from : `${port.from}-${port.to}`}`;
}

/** Whether a number of it is not known yet. */
export function isGuess({ origin }: { readonly origin?: Origin }): boolean {
  return origin?.isKnown === false;
}

/** One text for each range; equal for ranges that a policy may write as one. */
export function portKey(port: PortRange): string {
  return port.origin === undefined ? describePort(port) : `${port.protocol} of ${formatPath(port.origin.path)}`;
}

function plainRange({ protocol, from, to, origin }: PortRange): PortRange {
  return { protocol, from, to, ...(origin === undefined ? {} : { origin }) };
}

/**
 * Sorts ports by protocol and number and joins those that overlap or touch. Those that come from outputs follow, as they
 * are: where a port stands in a policy depends on no value.
 */
export function mergePorts(ports: readonly PortRange[]): readonly PortRange[] {
  const deferred = new Map(
    ports.flatMap((port) => (port.origin === undefined ? [] : [[portKey(port), port] as const])),
  );
  const plain = deferred.size === 0 ? ports : ports.filter(({ origin }) => origin === undefined);
  const sorted = [...plain].sort((a, b) =>
    a.protocol === b.protocol ? a.from - b.from || a.to - b.to : a.protocol < b.protocol ? -1 : 1,
  );
  const merged: PortRange[] = [];
  for (const port of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && last.protocol === port.protocol && port.from <= last.to) {
      merged[merged.length - 1] = { ...last, to: Math.max(last.to, port.to) };
    } else {
      merged.push({ protocol: port.protocol, from: port.from, to: port.to });
    }
  }
  return deferred.size === 0 ? merged : [...merged, ...[...deferred.values()].map(plainRange)];
}
