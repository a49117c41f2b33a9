/** The API server's audit log: who sent the requests that wrote an object. */
import { listOf, mapOf, textOf } from "../findings/plain";
import type { ObjectRef } from "../reachability";
import { groupOf, isClusterwide } from "../reachability";
import type { AuditedRequest, RequestIndex } from "./types";

/** So many requests are kept of an object, the latest. */
const kept = 3;

const writes: ReadonlySet<string> = new Set(["create", "update", "patch", "delete", "deletecollection"]);

/**
 * Reads audit events, one JSON object a line (`audit.k8s.io/v1`, kind `Event`, or `EventList` as webhooks get them). Only
 * requests that were carried out and may have changed the object itself count: an answer below 400 at the last stage, no
 * dry run, no write to the status alone.
 */
export class AuditLogReader implements RequestIndex {
  readonly #requests = new Map<string, AuditedRequest[]>();
  #events = 0;
  #unread = 0;

  /** One line of the log. */
  line(text: string): void {
    if (text.trim() === "") return;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.#unread++;
      return;
    }
    const { kind, items } = mapOf(value);
    if (kind === "EventList") for (const item of listOf(items)) this.#event(item);
    else this.#event(value);
  }

  /** Files may end and begin anywhere. */
  endOfFile(): void {
    return;
  }

  /** Lines that are no audit events: of a log that is read while it is written, the last one. */
  get unread(): number {
    return this.#unread;
  }

  /** How many events there were, those that wrote nothing included. */
  get events(): number {
    return this.#events;
  }

  of(object: ObjectRef): readonly AuditedRequest[] {
    const group = groupOf(object.apiVersion);
    const home = isClusterwide(object.apiVersion, object.kind) ? "" : (object.namespace ?? "");
    const resource = pluralOf(object.kind);
    // the second and third: everything of a namespace, or of the cluster, at once
    const keys = [
      keyOf(group, resource, home, object.name),
      keyOf(group, resource, home, ""),
      keyOf(group, resource, "", ""),
    ];
    const found = [...new Set(keys)].flatMap((key) => this.#requests.get(key) ?? []);
    return found.sort(latestFirst).slice(0, kept);
  }

  #event(value: unknown): void {
    const event = mapOf(value);
    if (event["kind"] !== "Event" || !/^audit\.k8s\.io\//.test(textOf(event["apiVersion"]) ?? "")) {
      this.#unread++;
      return;
    }
    this.#events++;
    const verb = textOf(event["verb"]) ?? "";
    const reference = mapOf(event["objectRef"]);
    const { code } = mapOf(event["responseStatus"]);
    const isDone = event["stage"] === "ResponseComplete" && typeof code === "number" && code < 400;
    const isDryRun = /[?&]dryRun=All/.test(textOf(event["requestURI"]) ?? "");
    if (!writes.has(verb) || !isDone || isDryRun || textOf(reference["subresource"]) !== undefined) return;
    const name = textOf(reference["name"]) ?? "";
    // only what deletes all of them is about objects that it does not name
    if (name === "" && verb !== "deletecollection") return;
    const key = keyOf(
      textOf(reference["apiGroup"]) ?? "",
      textOf(reference["resource"]) ?? "",
      homeOf(reference),
      name,
    );
    const known = this.#requests.get(key) ?? [];
    this.#requests.set(key, [...known, requestOf(event, verb)].sort(latestFirst).slice(0, kept));
  }
}

/** A namespace is in itself, as events have it. */
function homeOf(reference: Readonly<Record<string, unknown>>): string {
  return reference["resource"] === "namespaces" ? "" : (textOf(reference["namespace"]) ?? "");
}

function keyOf(group: string, resource: string, namespace: string, name: string): string {
  return JSON.stringify([group, resource, namespace, name]);
}

function requestOf(event: Readonly<Record<string, unknown>>, verb: string): AuditedRequest {
  const as = textOf(mapOf(event["impersonatedUser"])["username"]);
  const userAgent = textOf(event["userAgent"]);
  return {
    user: textOf(mapOf(event["user"])["username"]) ?? "(unnamed)",
    ...(as === undefined ? {} : { as }),
    verb,
    time: textOf(event["requestReceivedTimestamp"]) ?? "",
    addresses: listOf(event["sourceIPs"]).filter((item): item is string => typeof item === "string"),
    ...(userAgent === undefined ? {} : { userAgent }),
  };
}

function latestFirst(a: AuditedRequest, b: AuditedRequest): number {
  return b.time.localeCompare(a.time);
}

/** The name of a kind in URLs: all kinds of policies form it in the same way. */
function pluralOf(kind: string): string {
  const name = kind.toLowerCase();
  return name.endsWith("y") ? `${name.slice(0, -1)}ies` : `${name}s`;
}
