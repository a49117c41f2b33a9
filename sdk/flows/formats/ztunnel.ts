/** The access log of Istio's ztunnel, as text or JSON. It says nothing about network policies. */
import type { Fields } from "../../reachability/model/plain";
import type { LineContent, RecordedEnd } from "../record";
import { notUnderstood, passedOver } from "../record";
import { splitAddress, textOf, timeOf } from "./fields";

const textLine = /^(\S+)\s+(?:trace|debug|info|warn|error)\s+access\s+(connection (?:complete|opened|failed))\s?(.*)$/i;

/** The fields of a line of text; undefined where it is none of ztunnel's access log. */
export function parseZtunnel(line: string): Fields | undefined {
  const found = textLine.exec(line);
  if (found === null) return undefined;
  const fields: Record<string, string> = { time: found[1] ?? "", message: found[2] ?? "" };
  for (const [, name = "", quoted, bare = ""] of (found[3] ?? "").matchAll(/([\w.]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)) {
    fields[name] = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
  }
  return fields;
}

/** Whether a line's value is of ztunnel's access log in JSON. */
export function isZtunnel(value: Fields): boolean {
  const scope = value["scope"] ?? value["target"];
  return scope === "access" && typeof value["message"] === "string" && value["message"].startsWith("connection ");
}

export function readZtunnel(value: Fields): LineContent {
  if (value["message"] === "connection opened") return passedOver("a connection that its end has a record of");
  const error = textOf(value["error"]);
  const isDenied = error?.includes("policy rejection") === true;
  if (error !== undefined && !isDenied) return passedOver("a connection that failed, and not by a policy of the mesh");
  if (value["message"] === "connection failed") return notUnderstood("a refused connection without its workloads");
  const time = timeOf(value["time"]);
  if (time === undefined) return notUnderstood("a record without its time");
  const source = textOf(value["src.addr"]);
  // behind the tunnel is the port that was meant
  const destination = textOf(value["dst.hbone_addr"]) ?? textOf(value["dst.addr"]);
  const to = splitAddress(destination);
  if (to === undefined) return notUnderstood("a record without its destination's address and port");
  const direction = value["direction"];
  return {
    kind: "flow",
    record: {
      time,
      source: endOf(value, "src", splitAddress(source)?.address),
      destination: endOf(value, "dst", to.address),
      protocol: "TCP",
      port: to.port,
      ...(direction === "inbound" ? { side: "ingress" } : direction === "outbound" ? { side: "egress" } : {}),
      outcome: isDenied ? "denied" : "allowed",
      ...(error?.includes("explicitly denied") === true ? { explicit: true } : {}),
      attempt: `${source ?? ""} ${destination ?? ""} TCP`,
      count: 1,
    },
  };
}

function endOf(value: Fields, end: "src" | "dst", address: string | undefined): RecordedEnd {
  const namespace = textOf(value[`${end}.namespace`]);
  const pod = textOf(value[`${end}.workload`]);
  const account = /\/sa\/([^/]+)$/.exec(textOf(value[`${end}.identity`]) ?? "")?.[1];
  if (namespace !== undefined && pod !== undefined) {
    return { kind: "pod", namespace, pod, ...(account === undefined ? {} : { serviceAccount: account }) };
  }
  if (address === undefined) return { kind: "unresolvable", name: "an end without workload and address" };
  return { kind: "address", address, names: [] };
}
