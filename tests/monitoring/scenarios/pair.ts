/** The pair of a declaration that scenarios are about, and who owns what passes there. */
import type { MonitoringPlan } from "../../../sdk/monitoring/index";
import type { DeclaredPair, MetricEnd } from "../../../sdk/monitoring/table";

/** The pair of a declaration that scenarios are about: two workloads with names, where there are any. */
export function pairOf(
  { pairs }: MonitoringPlan,
  isSuitable: (pair: DeclaredPair) => boolean = () => true,
): DeclaredPair {
  const isPods = ({ source, destination }: DeclaredPair): boolean =>
    source.namespace !== "" && destination.namespace !== "" && source.name !== "*" && destination.name !== "*";
  const found =
    pairs.find((pair) => isPods(pair) && pair.source.name !== "" && pair.destination.name !== "" && isSuitable(pair)) ??
    pairs.find((pair) => isPods(pair) && isSuitable(pair));
  if (found === undefined) throw new Error("no declared pair of two workloads");
  return found;
}

/** Owners of the flows between the ends of a pair, whatever rows of the table name it. */
export function flowOwners(
  { pairs }: MonitoringPlan,
  { source, destination }: Pick<DeclaredPair, "source" | "destination">,
): readonly string[] {
  const fits = (row: MetricEnd, end: MetricEnd): boolean =>
    row.namespace === end.namespace && (row.name === end.name || row.name === "*");
  const own = pairs.filter((row) => fits(row.source, source) && fits(row.destination, destination));
  return [...new Set(own.map(({ owner }) => owner))].sort();
}

/** A pair of pods for each way in which a row of the table can stand for whole namespaces. */
export function widePairs({ pairs }: MonitoringPlan): readonly Pick<DeclaredPair, "source" | "destination">[] {
  const inNamespaces = pairs.filter(
    ({ source, destination }) => source.namespace !== "" && destination.namespace !== "",
  );
  const concrete = (end: MetricEnd): MetricEnd => (end.name === "*" ? { ...end, name: "some-pod" } : end);
  return [
    [true, false],
    [false, true],
    [true, true],
  ].flatMap(([wideSource, wideDestination]) => {
    const found = inNamespaces.find(
      ({ source, destination }) =>
        (source.name === "*") === wideSource && (destination.name === "*") === wideDestination,
    );
    return found === undefined ? [] : [{ source: concrete(found.source), destination: concrete(found.destination) }];
  });
}
