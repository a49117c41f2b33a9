/** One object that was read several times: equal copies are one, and of copies that differ nobody knows which is in force. */
import type { KubeObject, Source, SourcedObject } from "../model/objects";
import { serverFields } from "../model/objects";
import { isUnknown, unknownValue } from "../model/unknown";
import { podTemplateOf } from "../readers/workloads";
import { isOpen } from "./gaps";
import { identityOf } from "./identity";
import { isPeerAuthentication, isPolicy } from "./kinds";

/** An object, and where others of its name are that differ from it. */
export interface Unique extends SourcedObject {
  readonly copies?: readonly Source[];
  /** The copies are in overlays, of which one is applied. */
  readonly areVariants?: boolean;
}

/**
 * Leaves one of equal copies. Where they differ, every copy of a policy is left with the places of all of them; of workloads,
 * Namespaces and Services one is left, with what differs unknown. Other kinds decide nothing and stay.
 */
export function withoutCopies(objects: readonly SourcedObject[]): Unique[] {
  const byIdentity = new Map<string, SourcedObject[]>();
  for (const each of objects) {
    const key = identityOf(each.object);
    if (key === undefined) continue;
    const known = byIdentity.get(key);
    if (known === undefined) byIdentity.set(key, [each]);
    else known.push(each);
  }
  const left = new Map<SourcedObject, Unique | undefined>();
  for (const copies of byIdentity.values()) if (copies.length > 1) settle(copies, left);
  if (left.size === 0) return [...objects];
  return objects.flatMap((each) => (left.has(each) ? (left.get(each) ?? []) : each));
}

function settle(copies: readonly SourcedObject[], left: Map<SourcedObject, Unique | undefined>): void {
  const variants = new Map<string, SourcedObject>();
  for (const each of copies) {
    const text = JSON.stringify(comparable(each.object), marked);
    if (variants.has(text)) left.set(each, undefined);
    else variants.set(text, each);
  }
  const different = [...variants.values()];
  const [first, ...rest] = different;
  if (first === undefined || rest.length === 0) return;
  const { apiVersion, kind } = first.object;
  const places = different.flatMap(({ source }) => source ?? []);
  // copies beside each other in one file are no variants; one document that several overlays take in is
  const isInOneFile = new Set(places.map(({ file }) => file)).size <= 1;
  const areVariants = (!isInOneFile || isOneDocument(different)) && different.some(({ variant }) => variant === true);
  if (isPolicy(apiVersion, kind) && !isPeerAuthentication(apiVersion, kind)) {
    if (isTemplateUsedTwice(different)) return;
    for (const each of different) left.set(each, { ...each, copies: places, areVariants });
    return;
  }
  const isMerged =
    isPeerAuthentication(apiVersion, kind) ||
    podTemplateOf(first.object) !== undefined ||
    (apiVersion === "v1" && ["Namespace", "Service", "ServiceAccount"].includes(kind));
  if (!isMerged) return;
  for (const each of rest) left.set(each, undefined);
  const merged = rest.reduce<unknown>((known, each) => common(known, each.object), first.object) as KubeObject;
  // copies may differ in the version of their API, which decides nothing
  left.set(first, { ...first, object: { ...merged, apiVersion, kind }, copies: places, areVariants });
}

function isOneDocument(copies: readonly SourcedObject[]): boolean {
  const places = new Set(copies.map(({ source }) => JSON.stringify(source ?? {})));
  return places.size === 1 && copies[0]?.source !== undefined;
}

/** One document that several kustomizations take in, each of which fills in another name. */
function isTemplateUsedTwice(copies: readonly SourcedObject[]): boolean {
  const name: unknown = copies[0]?.object.metadata?.name;
  return isOneDocument(copies) && typeof name === "string" && isOpen(name);
}

function comparable({ status: _status, metadata, ...rest }: KubeObject): unknown {
  const { annotations, ...fields } = { ...metadata } as Record<string, unknown>;
  for (const field of serverFields) delete fields[field];
  const { "kubectl.kubernetes.io/last-applied-configuration": _last, ...others } = (annotations ?? {}) as Record<
    string,
    unknown
  >;
  const stated = Object.keys(others).length === 0 ? {} : { annotations: others };
  return sorted({ ...rest, metadata: { ...fields, namespace: fields["namespace"] ?? "default", ...stated } });
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null || isUnknown(value)) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}

function marked(_key: string, value: unknown): unknown {
  return isUnknown(value) ? "\u0000unknown" : value;
}

/** What two values have in common; unknown where they differ. A key that only one of them has is unknown, too. */
function common(a: unknown, b: unknown): unknown {
  if (a === b) return a;
  if (isUnknown(a) || isUnknown(b)) return unknownValue;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length ? a.map((item, index) => common(item, b[index])) : unknownValue;
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return unknownValue;
  if (Array.isArray(a) || Array.isArray(b)) return unknownValue;
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return Object.fromEntries(keys.map((key) => [key, common(one[key], other[key])]));
}
