/** With what Calico programs the nodes, as far as its own settings state it. */
import type { Snapshot, Source } from "../reachability";
import { isUnknown } from "../reachability";
import { installations, settingAt } from "./installations";

/** "other": eBPF or VPP, which have no rules of either kind. */
export type Dataplane = "nftables" | "iptables" | "other";

/** What is known about a dataplane. */
export interface DataplaneUse {
  readonly used: "yes" | "no" | "unknown";
  /** What states it, or that nothing does. */
  readonly because: string;
  readonly causes: readonly (Source | undefined)[];
}

/** Whether the nodes use a dataplane: what states it counts, then what may be it, then what states another. */
export function dataplaneUse(snapshot: Snapshot, wanted: Dataplane): DataplaneUse {
  const found = statements(snapshot).map(({ plane, because, source }): DataplaneUse => ({
    used: plane === undefined ? "unknown" : plane === wanted ? "yes" : "no",
    because,
    causes: [source],
  }));
  return (
    found.find(({ used }) => used === "yes") ??
    found.find(({ used }) => used === "unknown") ??
    found[0] ?? { used: "unknown", because: "no FelixConfiguration or Installation states the dataplane", causes: [] }
  );
}

interface Statement {
  /** Undefined: it depends, or is not known. */
  readonly plane: Dataplane | undefined;
  readonly because: string;
  readonly source: Source | undefined;
}

/** What FelixConfiguration, the operator's Installation or its chart state about the dataplane. */
function statements(snapshot: Snapshot): Statement[] {
  const found: Statement[] = [];
  for (const { product, form, settings, source, subject } of installations(snapshot)) {
    if (product !== "calico") continue;
    const where = `${subject.kind} ${subject.name}`;
    if (form === "felix") found.push(...ofFelix(settings, (field) => `${where} ${field}`, source));
    if (form === "values") {
      const path = "installation.calicoNetwork.linuxDataplane";
      found.push(...stated(planes, settingAt(settings, path), `${where} values.${path}`, source));
      const felix = "defaultFelixConfiguration";
      found.push(...ofFelix(settingAt(settings, felix), (field) => `${where} values.${felix}.${field}`, source));
    }
  }
  for (const { object, source } of snapshot.others) {
    if (object.kind !== "Installation" || !object.apiVersion.startsWith("operator.tigera.io/")) continue;
    const path = "calicoNetwork.linuxDataplane";
    found.push(
      ...stated(planes, settingAt(object.spec, path), `Installation ${object.metadata?.name ?? ""} ${path}`, source),
    );
  }
  return found;
}

/** Where eBPF is on, the mode of the tables is about nothing that a policy becomes. */
function ofFelix(settings: unknown, at: (field: string) => string, source: Source | undefined): Statement[] {
  if (settingAt(settings, "bpfEnabled") === true) {
    return [{ plane: "other", because: `${at("bpfEnabled")} is true`, source }];
  }
  return stated(modes, settingAt(settings, "nftablesMode"), at("nftablesMode"), source);
}

type Meanings = Readonly<Record<string, Dataplane | undefined>>;

/** `nftablesMode`. Auto follows what the node's iptables is. Source: api/pkg/apis/projectcalico/v3/felixconfig.go. */
const modes: Meanings = { Enabled: "nftables", Disabled: "iptables", Auto: undefined };
/** `linuxDataplane`. Source: the operator's api/v1/installation_types.go. */
const planes: Meanings = { Nftables: "nftables", Iptables: "iptables", BPF: "other", VPP: "other" };

/** What a value states, nothing where there is none. One that is none of the API's is not repeated: it may be a secret's. */
function stated(meanings: Meanings, value: unknown, where: string, source: Source | undefined): Statement[] {
  if (value === undefined || value === null) return [];
  if (typeof value === "string" && Object.hasOwn(meanings, value)) {
    return [{ plane: meanings[value], because: `${where} is ${value}`, source }];
  }
  const because = isUnknown(value) ? `${where} is not known` : `${where} is no value of Calico's`;
  return [{ plane: undefined, because, source }];
}
