/** The recordings that can be read. A format that is added is one entry here and a file beside this one. */
import type { Fields } from "../../reachability/model/plain";
import type { LineContent } from "../record";
import { isGoldmane, readGoldmane } from "./goldmane";
import { isHubble, readHubble } from "./hubble";
import { isWhisker, readWhisker } from "./whisker";
import { isZtunnel, readZtunnel } from "./ztunnel";

interface FlowFormat {
  readonly name: string;
  /** Whether a value is of this format; no value is of two. */
  readonly is: (value: Fields) => boolean;
  readonly read: (value: Fields) => LineContent;
}

const flowFormats: readonly FlowFormat[] = [
  { name: "Hubble", is: isHubble, read: readHubble },
  { name: "Goldmane", is: isGoldmane, read: readGoldmane },
  { name: "Whisker", is: isWhisker, read: readWhisker },
  { name: "ztunnel", is: isZtunnel, read: readZtunnel },
];

/** The format of a value, by what it holds; undefined where it is none that can be read. */
export function formatOf(value: Fields): FlowFormat | undefined {
  return flowFormats.find(({ is }) => is(value));
}

/** Recordings that are known by what they hold, and not read: each with what to do instead. */
export function refusedFormat(value: Fields): string | undefined {
  if (value["source_name_aggr"] !== undefined)
    return "a flow log of Calico Enterprise, which is not read: export Goldmane's flows";
  if (value["disposition"] !== undefined && value["connection"] !== undefined) {
    return "a policy log of GKE Dataplane V2, which is not read: export Hubble's flows";
  }
  return undefined;
}
