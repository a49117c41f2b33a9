/**
 * Flows of Calico's Goldmane: as its emitter posts them and its client prints them (Go's JSON of the message, enums as
 * numbers), or as protojson (enums as names, 64-bit numbers as text). Names and numbers are those of Goldmane's `api.proto`.
 */
import { isMap, listOf, mapOf, type Fields } from "../../reachability/model/plain";
import type { LineContent } from "../record";
import { notUnderstood } from "../record";
import { readCalico } from "./calico";
import { field, labelsOf, numberOf, textOf } from "./fields";

/** Whether a line's value is Goldmane's. */
export function isGoldmane(value: Fields): boolean {
  return keyOf(value) !== undefined;
}

function keyOf(value: Fields): Fields | undefined {
  for (const flow of [value, mapOf(value["flow"])]) {
    const key = flow["Key"] ?? flow["key"];
    if (isMap(key) && field(key, "source_name") !== undefined) return key;
  }
  return undefined;
}

export function readGoldmane(value: Fields): LineContent {
  const key = keyOf(value);
  if (key === undefined) return notUnderstood("a flow of Goldmane without its key");
  const flow = isMap(value["flow"]) ? value["flow"] : value;
  const policies = mapOf(field(key, "policies"));
  return readCalico({
    time: secondsOf(field(flow, "start_time")),
    action: nameOf(actions, field(key, "action")),
    reporter: nameOf(reporters, field(key, "reporter")),
    protocol: textOf(field(key, "proto")),
    port: field(key, "dest_port"),
    source: {
      name: textOf(field(key, "source_name")),
      namespace: textOf(field(key, "source_namespace")),
      type: nameOf(ends, field(key, "source_type")),
      labels: labelsOf(listOf(field(flow, "source_labels"))),
    },
    destination: {
      name: textOf(field(key, "dest_name")),
      namespace: textOf(field(key, "dest_namespace")),
      type: nameOf(ends, field(key, "dest_type")),
      labels: labelsOf(listOf(field(flow, "dest_labels"))),
    },
    pending: listOf(field(policies, "pending_policies")).map((hit) => nameOf(actions, field(mapOf(hit), "action"))),
    started: numberOf(field(flow, "num_connections_started")),
  });
}

const actions: Readonly<Record<string, string>> = { "1": "Allow", "2": "Deny", "3": "Pass" };
const reporters: Readonly<Record<string, string>> = { "1": "Src", "2": "Dst" };
const ends: Readonly<Record<string, string>> = {
  "1": "WorkloadEndpoint",
  "2": "HostEndpoint",
  "3": "NetworkSet",
  "4": "Network",
};

/** An enum's name, from its name or its number. */
function nameOf(names: Readonly<Record<string, string>>, value: unknown): string | undefined {
  const text = typeof value === "number" ? String(value) : textOf(value);
  if (text === undefined) return undefined;
  return Object.hasOwn(names, text) ? names[text] : text;
}

function secondsOf(value: unknown): number | undefined {
  const seconds = numberOf(value);
  return seconds === undefined ? undefined : seconds * 1000;
}
