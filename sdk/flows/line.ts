/** One line of a recording: what it is wrapped in, and what it says. */
import { isMap, listOf, mapOf, type Fields } from "../reachability/model/plain";
import { formatOf, refusedFormat } from "./formats/index";
import { parseMap } from "./formats/fields";
import { parseZtunnel, readZtunnel } from "./formats/ztunnel";
import type { LineContent } from "./record";
import { notUnderstood, passedOver } from "./record";

/** A container runtime's line: time, stream, whether the text is whole, the text (CRI). */
const containerLine = /^\d{4}-\d\d-\d\dT\S+ (?:stdout|stderr) ([FP])(?: (.*))?$/;
/** `logcli query` without `-o`: time, labels, the line. */
const logcliLine = /^\d{4}-\d\d-\d\dT\S+ \{[^{}]*\} +(.+)$/;
/** A log line in the style of logfmt, or of Kubernetes' klog. */
const logLine = /^(?:(?:time|ts|level|msg)=|[IWEF]\d{4} )/;

/** The text of a line that a container runtime wrote; `partial` where the next line goes on with it. */
export function unwrapContainerLine(line: string): { readonly text: string; readonly partial: boolean } | undefined {
  const found = containerLine.exec(line);
  return found === null ? undefined : { text: found[2] ?? "", partial: found[1] === "P" };
}

/** What a line says; several things where it is a document of lines. An empty line says nothing. */
export function readLine(line: string): readonly LineContent[] {
  const text = line.trim();
  if (text === "" || /^(?:event|id|retry):/.test(text) || text.startsWith(":")) return [];
  // server-sent events
  if (text.startsWith("data:")) return readLine(text.slice("data:".length));
  if (text.startsWith("{")) {
    const value = parseMap(text);
    return value === undefined ? [notUnderstood("a line that is no JSON, or is cut off")] : readValue(value);
  }
  if (text.startsWith("[")) return readList(text);
  const ztunnel = parseZtunnel(text);
  if (ztunnel !== undefined) return [readZtunnel(ztunnel)];
  const ofLogcli = logcliLine.exec(text)?.[1];
  if (ofLogcli !== undefined) return readLine(ofLogcli);
  if (logLine.test(text) || /^\S+\s+(?:trace|debug|info|warn|error)\s/i.test(text)) return [passedOver("a log line")];
  return [notUnderstood("a line that is no flow")];
}

function readList(text: string): readonly LineContent[] {
  try {
    return listOf(JSON.parse(text)).flatMap((each) =>
      isMap(each) ? readValue(each) : [notUnderstood("an item that is no flow")],
    );
  } catch {
    return [notUnderstood("a line that is no JSON, or is cut off")];
  }
}

function readValue(value: Fields): readonly LineContent[] {
  const format = formatOf(value);
  if (format !== undefined) return [format.read(value)];
  const { line, log, items, data } = value;
  // logcli -o jsonl, and what Grafana downloads
  if (typeof line === "string") return readLine(line);
  // Docker
  if (typeof log === "string") return readLine(log);
  if (Array.isArray(items)) return listOf(items).flatMap((each) => readValue(mapOf(each)));
  if (isMap(data) && Array.isArray(data["result"])) return lokiLines(data["result"]).flatMap(readLine);
  const refused = refusedFormat(value);
  if (refused !== undefined) return [notUnderstood(refused)];
  const isLog = (value["msg"] ?? value["message"]) !== undefined && (value["level"] ?? value["severity"]) !== undefined;
  return [isLog ? passedOver("a log line") : notUnderstood("JSON that is no flow")];
}

/** The lines of an answer of Loki's API. */
function lokiLines(streams: readonly unknown[]): string[] {
  return streams.flatMap((stream) =>
    listOf(mapOf(stream)["values"]).flatMap((entry) => {
      const line = listOf(entry)[1];
      return typeof line === "string" ? [line] : [];
    }),
  );
}
