/** Which metrics and labels an expression of PromQL names. Whether it is one is for promtool to say. */

/** A metric with the labels that are asked of it. */
export interface NamedMetric {
  readonly metric: string;
  readonly labels: readonly string[];
}

const prefixes =
  /\b((?:hubble|cilium|felix|wireguard|goldmane|istio|kube|cluster_security)[_:][a-zA-Z0-9_:]+|ALERTS|up)\b(?:\{([^}]*)\})?/g;

/** Metrics with their matchers' labels. What stands in quotation marks is no metric. */
export function metricsOf(expr: string): readonly NamedMetric[] {
  const quoted: string[] = [];
  const bare = expr.replace(/"(?:[^"\\]|\\.)*"/g, (text) => `"${quoted.push(text) - 1}"`);
  return [...bare.matchAll(prefixes)].map(([, metric = "", matchers = ""]) => ({
    metric,
    labels: [...matchers.matchAll(/([a-zA-Z_]+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label),
  }));
}

/** Labels by which an expression groups and joins. */
export function labelsOf(expr: string): readonly string[] {
  return [...expr.matchAll(/\b(?:by|on|group_left|without) \(([^)]*)\)/g)].flatMap(([, list = ""]) =>
    list
      .split(",")
      .map((label) => label.trim())
      .filter((label) => label !== ""),
  );
}
