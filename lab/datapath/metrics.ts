/** Numbers out of Prometheus' exposition format. */

/** Sum of a metric over all its labels; 0 where it is not there. */
export function sumOf(metrics: string | readonly string[], name: string): number {
  const lines = typeof metrics === "string" ? metrics.split("\n") : metrics;
  return lines
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
