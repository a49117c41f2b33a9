import type { KubeObject, Snapshot, Source } from "../reachability";
import { isUnknown, unknownValue } from "../reachability";
import { mapOf, textOf } from "./plain";
import type { Subject } from "./types";

/** Which product an installation is of. */
export type Product = "cilium" | "calico";

/**
 * Where a cluster's enforcer is installed or configured: a Helm release with its values (Pulumi's Release, Flux's
 * HelmRelease, a v4 Chart), Cilium's ConfigMap, Calico's FelixConfiguration.
 */
export interface Installation {
  readonly product: Product;
  /** How settings are to be read. */
  readonly form: "values" | "agent-config" | "felix";
  readonly subject: Subject;
  readonly source?: Source;
  /** Version of the chart; undefined where it is not stated or not known. */
  readonly version?: string;
  /** A version is stated, and is not known yet or no text. */
  readonly versionUnknown?: true;
  /** The values, the ConfigMap's data or the spec; may be unknown. */
  readonly settings: unknown;
  /** False: what it is an installation of is only guessed, since its name or chart is not known yet. */
  readonly certain: boolean;
}

/**
 * The enforcer's installations in a snapshot. Where there is a release, Cilium's ConfigMap is left out: it is what the
 * release renders, or an excerpt of it.
 */
export function installations(snapshot: Snapshot): Installation[] {
  const found: Installation[] = [];
  for (const { object, source } of snapshot.others) {
    const installation = releaseOf(object) ?? configOf(object);
    if (installation === undefined) continue;
    const { name, namespace } = object.metadata ?? {};
    const subject: Subject = {
      kind: object.kind,
      name: textOf(name) ?? "(unknown)",
      ...(textOf(namespace) === undefined ? {} : { namespace: textOf(namespace) as string }),
      ...(source === undefined ? {} : { source }),
    };
    found.push({ ...installation, subject, ...(source === undefined ? {} : { source }) });
  }
  const released = found.some(({ product, form }) => product === "cilium" && form === "values");
  return found.filter(({ form }) => !released || form !== "agent-config");
}

type Read = Pick<Installation, "product" | "form" | "settings" | "version" | "versionUnknown" | "certain">;

function releaseOf(object: KubeObject): Read | undefined {
  if (object.kind !== "Release" && object.kind !== "HelmRelease" && object.kind !== "Chart") return undefined;
  const spec = mapOf(object.spec);
  // HelmRelease: spec.chart.spec.chart; Release: spec.chart, perhaps as an address or a path
  const nested = mapOf(mapOf(spec["chart"])["spec"]);
  const chart = textOf(spec["chart"]) ?? textOf(nested["chart"]) ?? "";
  const product = productOf(chart, spec["values"], isUnknown(spec["chart"]));
  if (product === undefined) return undefined;
  const version = textOf(spec["version"]) ?? textOf(nested["version"]) ?? versionIn(chart);
  const settings = spec["values"] ?? {};
  const unknown = [spec["version"], nested["version"]].some(
    (stated) => isGiven(stated) && textOf(stated) === undefined,
  );
  return {
    product,
    form: "values",
    settings,
    certain: !isUnknown(spec["chart"]),
    ...(unknown ? { versionUnknown: true as const } : {}),
    ...(version === undefined ? {} : { version }),
  };
}

function productOf(chart: string, values: unknown, chartUnknown: boolean): Product | undefined {
  if (/(^|\/)cilium(-v?\d[\w.+-]*\.tgz)?\/*$/.test(chart)) return "cilium";
  if (/(^|\/)tigera-operator(-v?\d[\w.+-]*\.tgz)?\/*$/.test(chart)) return "calico";
  // a chart whose name is not known yet, with values that only Cilium's has
  const given = mapOf(values);
  return chartUnknown && ("policyEnforcementMode" in given || "policyAuditMode" in given) ? "cilium" : undefined;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function versionIn(chart: string): string | undefined {
  return /-v?(\d+\.\d+\.\d+[\w.+-]*?)\.tgz\/*$/.exec(chart)?.[1];
}

/** Settings that only the agent's ConfigMap has. */
const agentKeys = ["enable-policy", "policy-audit-mode", "enable-wireguard", "enable-hubble"];

function configOf(object: KubeObject): Read | undefined {
  const name: unknown = isUnknown(object.metadata) ? object.metadata : object.metadata?.name;
  const certain = !isUnknown(name);
  if (
    object.kind === "ConfigMap" &&
    (certain ? name === "cilium-config" : agentKeys.some((key) => key in mapOf(object["data"])))
  ) {
    return { product: "cilium", form: "agent-config", settings: object["data"], certain };
  }
  if (object.kind === "FelixConfiguration" && (!certain || name === "default")) {
    return { product: "calico", form: "felix", settings: object.spec, certain };
  }
  return undefined;
}

/** A setting by its dotted path; unknown where it, or what should be a map on the way to it, cannot be read. */
export function settingAt(settings: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((holder, key) => {
    if (isUnknown(holder) || !isGiven(holder)) return isGiven(holder) ? holder : undefined;
    return typeof holder === "object" && !Array.isArray(holder) ? mapOf(holder)[key] : unknownValue;
  }, settings);
}

/** What a switch says. Helm takes any text for true, so a text is a slip whatever it says. */
export function switchAt(settings: unknown, path: string, otherwise: boolean): "on" | "off" | "unclear" {
  const value = settingAt(settings, path);
  if (value === undefined || value === null) return otherwise ? "on" : "off";
  if (value === true) return "on";
  return value === false ? "off" : "unclear";
}

/** What a switch of Cilium's ConfigMap says, whose values are texts. */
export function agentSwitch(settings: unknown, key: string): "on" | "off" | "unclear" {
  const value = settingAt(settings, key);
  if (isUnknown(value)) return "unclear";
  return value === "true" ? "on" : "off";
}
