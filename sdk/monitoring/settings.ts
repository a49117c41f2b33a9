/** What can be chosen about monitoring, with every default. */
import type { Plan } from "../plan";
import { Dialect } from "../plan";

/** What enforces the policies, and whose metrics the rules read. */
export enum MonitoredEnforcer {
  Cilium = "cilium",
  Calico = "calico",
}

/** Which flows Cilium's agents write to their flow log. */
export enum FlowLog {
  /** Every one. `replay` and `learn` need it. */
  All = "all",
  /** Those that are dropped, fail, or are audited. */
  Denied = "denied",
  /** None. */
  Off = "off",
}

/** An alert that is not sent for some days. */
export interface MuteDeclaration {
  /** Name of the alert, `DeclaredFlowDenied`; defaults to every alert of the owner. */
  alert?: string;
  /** Only the alerts of this owner. Defaults to those of all. */
  owner?: string;
  /** First day, `2027-03-29`. */
  from: string;
  /** Last day; a mute always has an end. */
  until: string;
  /** Why. Written beside it. */
  reason: string;
}

/** A workload, and the value of the app label that its pods carry. */
export interface AppLabelDeclaration {
  /** A declared workload: `namespace/name`. */
  workload: string;
  /** Value of `app.kubernetes.io/name`, else of `app`, else of `k8s-app`. */
  app: string;
}

/** Who is told about what happens in a namespace. */
export interface NamespaceOwnerDeclaration {
  /** Name of the namespace. */
  namespace: string;
  /** Its owner, as flows name theirs. */
  owner: string;
}

/** What is recorded about a declaration, and who is told. Every field has a default. */
export interface MonitoringDeclaration {
  /** What enforces the policies. Defaults to what reads the dialect; none for the dialects that several read. */
  enforcer?: MonitoredEnforcer;
  /** Owner of alerts about what must stay closed and about enforcement as a whole. Defaults to `security`. */
  securityOwner?: string;
  /** Owner of alerts about the CNI, and of namespaces that nobody else owns. Defaults to `platform`. */
  platformOwner?: string;
  /** Owners of namespaces. Defaults to the owner of most flows into the namespace, those granted to another tenant only where there are no others. */
  namespaceOwners?: NamespaceOwnerDeclaration[];
  /** Workloads whose pods carry other app labels than the declaration says. Defaults to none. */
  appLabels?: AppLabelDeclaration[];
  /** Address of the runbooks, before `/<alert>.md`. Defaults to `runbooks`, the folder that is written beside the rules. */
  runbookBase?: string;
  /** Traffic between nodes is to be encrypted: an agent that does not is an alert. Defaults to false: only agents that differ are. */
  encrypted?: boolean;
  /** Share of policy verdicts in percent that are not to be denials. Defaults to 99.9. */
  objective?: number;
  /** Verdicts a second below which the share says nothing. Defaults to 0.1. */
  leastTraffic?: number;
  /** Seconds between two scrapes. Defaults to 15; at most 30, or the shortest windows hold no two samples. */
  scrapeInterval?: number;
  /** The most series that the enforcer's metrics may have. Defaults to 50000. */
  maxSeries?: number;
  /** Which flows Cilium's agents write to their flow log. Defaults to all. Refused where Cilium does not enforce. */
  flowLog?: FlowLog;
  /** Pods and addresses as labels of Hubble's metrics; a series for each. Defaults to false. */
  podLabels?: boolean;
  /** Nodes of the cluster, for the estimate of what agents on each of them export. Defaults to 10. */
  nodes?: number;
  /** Namespace of Istio's ztunnel, where the mesh is ambient. Defaults to `istio-system`. */
  ztunnelNamespace?: string;
  /** Alerts that are not sent for some days. Defaults to none. */
  mutes?: MuteDeclaration[];
}

/** The settings with their defaults filled in. */
export interface MonitoringSettings {
  readonly enforcer: MonitoredEnforcer | undefined;
  readonly securityOwner: string;
  readonly platformOwner: string;
  readonly namespaceOwners: ReadonlyMap<string, string>;
  readonly appLabels: ReadonlyMap<string, string>;
  readonly runbookBase: string;
  readonly encrypted: boolean;
  /** As a share: 0.999. */
  readonly objective: number;
  readonly leastTraffic: number;
  readonly scrapeInterval: number;
  readonly maxSeries: number;
  /** As declared: undefined is all. */
  readonly flowLog: FlowLog | undefined;
  readonly podLabels: boolean;
  readonly nodes: number;
  readonly ztunnelNamespace: string;
  readonly mutes: readonly MuteDeclaration[];
}

const enforcers: Readonly<Partial<Record<Dialect, MonitoredEnforcer>>> = {
  [Dialect.Cilium]: MonitoredEnforcer.Cilium,
  [Dialect.Calico]: MonitoredEnforcer.Calico,
};

/** Fills in the defaults. */
export function monitoringSettings(declared: MonitoringDeclaration, plan: Pick<Plan, "dialect">): MonitoringSettings {
  return {
    enforcer: declared.enforcer ?? enforcers[plan.dialect],
    securityOwner: declared.securityOwner ?? "security",
    platformOwner: declared.platformOwner ?? "platform",
    namespaceOwners: new Map((declared.namespaceOwners ?? []).map(({ namespace, owner }) => [namespace, owner])),
    appLabels: new Map((declared.appLabels ?? []).map(({ workload, app }) => [workload, app])),
    runbookBase: (declared.runbookBase ?? "runbooks").replace(/\/+$/, ""),
    encrypted: declared.encrypted ?? false,
    objective: (declared.objective ?? 99.9) / 100,
    leastTraffic: declared.leastTraffic ?? 0.1,
    scrapeInterval: declared.scrapeInterval ?? 15,
    maxSeries: declared.maxSeries ?? 50_000,
    flowLog: declared.flowLog,
    podLabels: declared.podLabels ?? false,
    nodes: declared.nodes ?? 10,
    ztunnelNamespace: declared.ztunnelNamespace ?? "istio-system",
    mutes: declared.mutes ?? [],
  };
}
