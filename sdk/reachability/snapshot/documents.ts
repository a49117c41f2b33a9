/** Documents into Kubernetes objects: what is one, what only looks like one, and what was left open in it. */
import type { KubeObject, Source, SourcedObject } from "../model/objects";
import type { Problem } from "../model/problems";
import { isUnknown, unknownValue } from "../model/unknown";
import { parseDocuments, type ParsedDocument } from "../readers/yaml";
import { unreadable } from "../readers/unread-policies";
import { shapesPolicies } from "./kinds";
import { gapsIn } from "./gaps";

/** The objects of a YAML or JSON text, with file and line, and what could not be read of it. */
export interface ReadYaml {
  /** What a problem leaves open is unknown in the objects themselves. */
  readonly objects: readonly SourcedObject[];
  readonly problems: readonly Problem[];
}

type Report = (code: Problem["code"], message: string, line: number) => void;

/**
 * Reads a text of YAML documents, or JSON documents one after the other, into objects; lists (`kind: List`, `PodList`, …) are
 * unpacked. Each object's source tells the line its document begins on. Never throws for what the text holds: a document that
 * looks like a Kubernetes object and cannot be read is a problem of code `unreadable`, and what can be seen of it stands among
 * the objects with everything else unknown; any other document (`values.yaml`) is a problem of code `not-an-object`.
 */
export function readYaml(text: string, file?: string): ReadYaml {
  const objects: SourcedObject[] = [];
  const problems: Problem[] = [];
  for (const document of parseDocuments(text)) {
    const source: Source = { ...(file === undefined ? {} : { file }), line: document.line };
    const report: Report = (code, message, line) => {
      problems.push({ code, message, source: { ...source, line }, affectsVerdicts: false });
    };
    if ("error" in document) readBroken(document, source, objects, report);
    else readParsed(document, source, objects, problems, report);
  }
  return { objects, problems };
}

function readParsed(
  { value, line, doubledKey }: Extract<ParsedDocument, { value: unknown }>,
  source: Source,
  objects: SourcedObject[],
  problems: Problem[],
  report: Report,
): void {
  if (value === undefined || value === null) return;
  const before = objects.length;
  addObject(value, source, objects, problems, report);
  if (doubledKey !== undefined && objects.length > before) {
    const message = `the key "${doubledKey.key}" is twice in one map; the last one counts, as in kubectl`;
    report("duplicate", message, doubledKey.line);
  }
  if (objects.length === before && isTemplate(value)) {
    report("unreadable", `not a Kubernetes object: apiVersion and kind must be strings${templateHint}`, line);
    objects.push({ object: standIn({}), source });
  }
}

function addObject(
  value: unknown,
  source: Source,
  objects: SourcedObject[],
  problems: Problem[],
  report: Report,
): void {
  const line = source.line ?? 1;
  if (typeof value !== "object" || value === null) {
    return report("not-an-object", "a document that is no map: no Kubernetes object", line);
  }
  if (Array.isArray(value)) {
    // a JSON array of objects, as some tools print it
    const items = (value as unknown[]).filter(isTyped);
    for (const item of items) addObject(item, source, objects, problems, report);
    if (items.length === 0 && value.length > 0) {
      report("not-an-object", "a list without apiVersion and kind: no Kubernetes object", line);
    }
    return;
  }
  const { apiVersion, kind, items } = value as { apiVersion?: unknown; kind?: unknown; items?: unknown };
  const metadata = (value as { metadata?: unknown }).metadata;
  const isMeant = typeof metadata === "object" && metadata !== null && isOfCluster(apiVersion, kind);
  if ((apiVersion === undefined || kind === undefined) && !isMeant) {
    return report("not-an-object", "a map without apiVersion and kind: no Kubernetes object", line);
  }
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    if (isTemplate(value)) return;
    objects.push({ object: standIn(value as Record<string, unknown>), source });
    return report("unreadable", "not a Kubernetes object: apiVersion and kind must be strings", line);
  }
  if (kind.endsWith("List") && Array.isArray(items)) {
    for (const item of items as unknown[]) {
      addObject(itemOfList(item, apiVersion, kind), source, objects, problems, report);
    }
    return;
  }
  const gaps = gapsIn(value as KubeObject);
  objects.push({ object: gaps.object, source });
  if (gaps.problem !== undefined) problems.push({ ...gaps.problem, source });
}

/** API groups and kinds of which an object may decide verdicts. */
const clusterGroups =
  /^(v\d\w*$|(apps|batch|extensions)\/|([a-z0-9.-]+\.)?(k8s|cilium|istio|antrea|ovn)\.(io|org)\/|([a-z0-9.-]+\.)?projectcalico\.org\/)/;
const clusterKinds = /Policy$|^(Pod|Deployment|StatefulSet|DaemonSet|ReplicaSet|Job|CronJob|Namespace|Service)$/;

/**
 * Whether a document that has only one of the two was meant for a cluster: kubectl refuses it, but somebody may complete it.
 * Other tools write maps of this form, too (`apiVersion: score.dev/v1b1` without a kind).
 */
function isOfCluster(apiVersion: unknown, kind: unknown): boolean {
  if (typeof apiVersion === "string") return clusterGroups.test(apiVersion);
  if (typeof kind === "string") return clusterKinds.test(kind);
  return (apiVersion ?? kind) !== undefined;
}

function isTyped(value: unknown): boolean {
  return typeof value === "object" && value !== null && ("apiVersion" in value || "kind" in value);
}

function itemOfList(item: unknown, apiVersion: string, kind: string): unknown {
  if (kind === "List" || typeof item !== "object" || item === null || Array.isArray(item)) return item;
  return { apiVersion, kind: kind.slice(0, -"List".length), ...item };
}

/** `kind: {{ .Values.kind }}` is a map in a map to YAML. */
function isTemplate(value: unknown): boolean {
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  return [apiVersion, kind].some((each) => typeof each === "object" && each !== null && !isUnknown(each));
}

const templateHint = "; it looks like a template: render it first (helm template CHART | cluster-security matrix -)";

/** Both have to occur in the text of an object, however it is written. */
const typeFields = [/(^|[\s{,"'])apiVersion["']?\s*:/, /(^|[\s{,"'])kind["']?\s*:/];

function readBroken(
  { error, errorLine, text }: Extract<ParsedDocument, { error: string }>,
  source: Source,
  objects: SourcedObject[],
  report: Report,
): void {
  if (!typeFields.every((field) => field.test(text))) return report("not-an-object", error, errorLine);
  report("unreadable", /\{\{|\$\{/.test(text) ? error + templateHint : error, errorLine);
  const object = visiblePart(text);
  if (object !== undefined) objects.push({ object, source });
}

/** What a broken document lets see of its object; nothing where whatever it is changes no verdict between others. */
function visiblePart(text: string): KubeObject | undefined {
  const apiVersions = topLevel(text, "apiVersion");
  const kinds = topLevel(text, "kind");
  const metadata = /^metadata:(.*(?:\r?\n(?:[ \t]+.*|[ \t]*))*)/m.exec(text)?.[1] ?? "";
  const name = /(?:^|[\s{,])name:\s*["']?([a-z0-9][a-z0-9.-]*)["']?\s*(?:[,}\r\n#]|$)/.exec(metadata)?.[1];
  const namespace = /(?:^|[\s{,])namespace:\s*["']?([^\s,}"']+)/.exec(metadata)?.[1];
  const isLiteral = namespace !== undefined && /^[a-z0-9-]+$/.test(namespace);
  const home = isLiteral ? namespace : namespace !== undefined || text.includes("{{") ? unknownValue : undefined;
  const [apiVersion] = apiVersions;
  const [kind] = kinds;
  if (apiVersion === undefined || kind === undefined || apiVersions.length > 1 || kinds.length > 1) {
    return standIn({ metadata: { namespace: isLiteral ? namespace : undefined } });
  }
  const matters =
    shapesPolicies(apiVersion, kind) || ["Service", "EndpointSlice", "Endpoints", "Namespace"].includes(kind);
  if (!matters) return undefined;
  return {
    apiVersion,
    kind,
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(home === undefined ? {} : { namespace: home as string }),
      ...(kind === "Namespace" ? { labels: unknownValue as never } : {}),
    },
    spec: unknownValue,
  };
}

function topLevel(text: string, field: string): string[] {
  const pattern = new RegExp(`^["']?${field}["']?\\s*:\\s*["']?([A-Za-z][A-Za-z0-9./-]*)["']?\\s*(?:#.*)?$`, "gm");
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

/** Stands for an object of which not even the kind can be seen: it may be a policy for anybody, or for its namespace. */
function standIn(value: Readonly<Record<string, unknown>>): KubeObject {
  const metadata = value["metadata"] as { name?: unknown; namespace?: unknown } | undefined | null;
  const namespace = metadata?.namespace;
  const isKnown = typeof namespace === "string" && /^[a-z0-9-]+$/.test(namespace);
  return {
    ...unreadable,
    metadata: { name: "(unreadable)", ...(isKnown ? { namespace } : {}) },
    spec: unknownValue,
  };
}
