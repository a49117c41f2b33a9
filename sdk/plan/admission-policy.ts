/** Admission policies that keep a namespace's objects as they have to be (Kubernetes 1.30 and newer). */
import { namespaceNameLabel } from "../reachability/model/namespace-labels";
import type { DraftDocument, PlannedObject } from "./documents";
import { managedByLabel } from "./documents";

/** What an admission policy looks at, and what it asks. */
interface AdmissionRequest {
  /** Name of the policy; its binding is `<name>-binding`. */
  readonly name: string;
  /** The namespace whose objects it is for. */
  readonly namespace: string;
  readonly resources: readonly {
    readonly group: string;
    readonly version: string;
    readonly resources: readonly string[];
  }[];
  readonly operations: readonly ("CREATE" | "UPDATE" | "DELETE")[];
  /** Name → CEL: a request is judged where all are true. */
  readonly matchConditions: Readonly<Record<string, string>>;
  /** Name → CEL, for `variables.<name>` in the validations; a later one may use earlier ones. Defaults to none. */
  readonly variables?: Readonly<Record<string, string>>;
  /** CEL that has to be true, and what the API server says where it is not. */
  readonly validations: readonly (readonly [expression: string, message: string])[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A ValidatingAdmissionPolicy that refuses, also where it cannot be evaluated, and its binding. */
export function admissionPolicy(request: AdmissionRequest): readonly DraftDocument[] {
  const { name, namespace, resources, operations, matchConditions, variables = {}, validations } = request;
  const apiVersion = "admissionregistration.k8s.io/v1";
  const named = Object.entries(variables).map(([key, expression]) => ({ name: key, expression }));
  const policy: PlannedObject = {
    apiVersion,
    kind: "ValidatingAdmissionPolicy",
    metadata: {
      name,
      labels: { ...managedByLabel, ...request.labels },
      ...(request.annotations === undefined ? {} : { annotations: request.annotations }),
    },
    spec: {
      failurePolicy: "Fail",
      matchConstraints: {
        namespaceSelector: { matchLabels: { [namespaceNameLabel]: namespace } },
        resourceRules: resources.map((rule) => ({
          apiGroups: [rule.group],
          apiVersions: [rule.version],
          operations,
          resources: rule.resources,
        })),
      },
      matchConditions: Object.entries(matchConditions).map(([key, expression]) => ({ name: key, expression })),
      ...(named.length === 0 ? {} : { variables: named }),
      validations: validations.map(([expression, message]) => ({ expression, message })),
    },
  };
  const binding: PlannedObject = {
    apiVersion,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: `${name}-binding`, labels: managedByLabel },
    spec: { policyName: name, validationActions: ["Deny"] },
  };
  return [
    { stage: "platform", object: policy },
    { stage: "platform", object: binding, after: [name] },
  ];
}
