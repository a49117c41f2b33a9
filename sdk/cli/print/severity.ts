/** Severities in a text. */
import { severities, type Severity } from "../../findings";
import type { Colours } from "./colours";

/** `2 critical`, `1 low`: how many of each severity, worst first; none of what there is none of. */
export function countsBySeverity(items: readonly { readonly severity: Severity }[]): string[] {
  return severities.flatMap((severity) => {
    const count = items.filter((item) => item.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}`];
  });
}

/** The severity and what has it, as the first words of a paragraph. */
export function severityHead(severity: Severity, title: string, colours: Colours): string {
  const paint: Readonly<Record<Severity, (text: string) => string>> = {
    critical: colours.red,
    high: colours.red,
    medium: colours.yellow,
    low: colours.yellow,
    info: colours.dim,
  };
  return `${colours.bold(paint[severity](severity.toUpperCase()))} ${colours.bold(title)}`;
}
