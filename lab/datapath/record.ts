/** What is remembered of the datapath that runs, for commands that come later. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { LabNode } from "./layout";
import { agentName, runtimeFolder } from "./layout";

export interface DatapathRecord {
  readonly dataDir: string;
  readonly nodes: readonly LabNode[];
}

const recordFile = path.join(runtimeFolder, "datapath.json");

export function writeRecord(record: DatapathRecord): void {
  writeFileSync(recordFile, JSON.stringify(record), { mode: 0o600 });
}

export function readRecord(): DatapathRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordFile, "utf8")) as DatapathRecord;
  } catch {
    return undefined;
  }
}

/** Folder with the log of each program of a datapath. */
export function logsIn(dataDir: string): string {
  return path.join(path.resolve(dataDir), "logs");
}

/** The log of a node's agent; undefined where nothing is remembered. */
export function logOf(node: LabNode): string | undefined {
  const record = readRecord();
  return record && path.join(logsIn(record.dataDir), `${agentName(node)}.log`);
}
