/** The parts of Kubernetes objects that the node agent reads. */
import type { Watched } from "./watch";

interface Metadata {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
}

export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly ports?: readonly { readonly containerPort: number; readonly protocol?: string }[];
}

export interface Pod extends Watched {
  readonly metadata: Metadata;
  readonly spec: {
    readonly nodeName?: string;
    readonly schedulerName?: string;
    readonly hostNetwork?: boolean;
    readonly readinessGates?: readonly { readonly conditionType: string }[];
    readonly securityContext?: { readonly sysctls?: readonly { readonly name: string; readonly value: string }[] };
    readonly restartPolicy?: string;
    readonly nodeSelector?: Readonly<Record<string, string>>;
    readonly affinity?: {
      readonly nodeAffinity?: {
        readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms: readonly NodeTerm[] };
      };
    };
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
  readonly status?: { readonly phase?: string; readonly podIP?: string };
}

export interface NodeTerm {
  readonly matchExpressions?: readonly Requirement[];
  readonly matchFields?: readonly Requirement[];
}

export interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

export interface Service extends Watched {
  readonly metadata: Metadata;
  readonly spec: { readonly clusterIP?: string; readonly selector?: Readonly<Record<string, string>> };
}
