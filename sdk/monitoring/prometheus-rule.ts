/** The rules as an object of the Prometheus Operator. */
import type { RuleFile } from "./types";

/** `monitoring.coreos.com/v1` PrometheusRule. */
export interface PrometheusRule {
  readonly apiVersion: "monitoring.coreos.com/v1";
  readonly kind: "PrometheusRule";
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: RuleFile;
}

/** `keep_firing_for` needs an operator of 0.65 or newer, and Prometheus 2.42. */
export function prometheusRule(
  rules: RuleFile,
  metadata: { readonly name: string; readonly namespace: string; readonly labels?: Readonly<Record<string, string>> },
): PrometheusRule {
  const { name, namespace, labels } = metadata;
  return {
    apiVersion: "monitoring.coreos.com/v1",
    kind: "PrometheusRule",
    metadata: {
      name,
      namespace,
      labels: { "app.kubernetes.io/managed-by": "pulumi-cluster-security", ...labels },
    },
    spec: rules,
  };
}
