/** Flows as Calico's Whisker serves them: items of `GET /whisker-backend/flows`, or events of its stream. */
import { listOf, mapOf, type Fields } from "../../reachability/model/plain";
import type { LineContent } from "../record";
import type { CalicoEnd } from "./calico";
import { readCalico } from "./calico";
import { labelsOf, textOf, timeOf } from "./fields";

/** Whether a line's value is one of Whisker's flows. */
export function isWhisker(value: Fields): boolean {
  return (
    typeof value["source_name"] === "string" && typeof value["dest_name"] === "string" && value["action"] !== undefined
  );
}

export function readWhisker(value: Fields): LineContent {
  const pending = listOf(mapOf(value["policies"])["pending"]);
  return readCalico({
    time: timeOf(value["start_time"]),
    action: textOf(value["action"]),
    reporter: textOf(value["reporter"]),
    protocol: textOf(value["protocol"]),
    port: value["dest_port"],
    source: whiskerEnd(value, "source"),
    destination: whiskerEnd(value, "dest"),
    pending: pending.map((hit) => textOf(mapOf(hit)["action"])),
    started: undefined,
  });
}

function whiskerEnd(value: Fields, end: "source" | "dest"): CalicoEnd {
  return {
    name: textOf(value[`${end}_name`]),
    namespace: textOf(value[`${end}_namespace`]),
    type: undefined,
    // one text, joined
    labels: labelsOf((textOf(value[`${end}_labels`]) ?? "").split(" | ")),
  };
}
