/** Reads the facts about a cluster. */
import type { PropertyPath } from "../../property-path";
import { cidrProblem } from "../addresses";
import type { PolicyApiLimits } from "../apis/limits";
import type { Dialect } from "../declaration";
import type { StandIn } from "../deferred";
import { isUnknown, standIns } from "../deferred";
import type { ProblemCollector } from "../errors";
import type { Model } from "../model";
import type { Reader } from "../reader";
import { versionAtLeast } from "../versions";
import { readDns } from "./dns";

const clusterFields = [
  "dns",
  "apiServer",
  "nodeCidrs",
  "enforcerVersion",
  "podCidrs",
  "enforcerAudits",
  "flowIds",
  "experimentalPeers",
];

/** What a cluster is like, as far as policies depend on it. */
type Cluster = Pick<
  Model,
  | "dns"
  | "apiServer"
  | "nodeCidrs"
  | "podCidrs"
  | "enforcerVersion"
  | "enforcerAudits"
  | "flowIds"
  | "experimentalPeers"
>;

/** The declared facts, with the defaults of those that are left out. */
export function readCluster(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  dialect: Dialect,
  { staged, marksFlowsSince }: PolicyApiLimits,
): Cluster {
  const cluster = reader.fields(["cluster"], value, clusterFields) ?? {};
  const dns = readDns(reader, problems, cluster["dns"]);
  const apiServer = reader.fields(["cluster", "apiServer"], cluster["apiServer"], ["cidrs", "ports"]) ?? {};
  const ports = reader.portNumbers(["cluster", "apiServer", "ports"], apiServer["ports"]) ?? [443, 6443];
  const enforcerVersion = reader.optionalText(["cluster", "enforcerVersion"], cluster["enforcerVersion"]);
  const enforcerAudits = reader.flag(["cluster", "enforcerAudits"], cluster["enforcerAudits"]) ?? false;
  if (enforcerAudits && staged) {
    const fix = "Leave it out: in mode audit every policy is written as its staged kind.";
    problems.add(["cluster", "enforcerAudits"], enforcerAudits, `has no meaning in the ${dialect} dialect`, fix);
  }
  return {
    dns,
    apiServer: { cidrs: readCidrs(reader, problems, ["cluster", "apiServer", "cidrs"], apiServer["cidrs"]), ports },
    nodeCidrs: readCidrs(reader, problems, ["cluster", "nodeCidrs"], cluster["nodeCidrs"]),
    podCidrs: readPodCidrs(reader, problems, cluster["podCidrs"]),
    ...(enforcerVersion === undefined ? {} : { enforcerVersion }),
    enforcerAudits,
    flowIds: readFlowIds(reader, problems, cluster["flowIds"], dialect, enforcerVersion, marksFlowsSince),
    experimentalPeers: reader.flag(["cluster", "experimentalPeers"], cluster["experimentalPeers"]) ?? false,
  };
}

/** Whether rules carry the ids of their flows: where it is asked for, or the version is known to have it. */
function readFlowIds(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  dialect: Dialect,
  version: string | undefined,
  since: PolicyApiLimits["marksFlowsSince"],
): boolean {
  const path = ["cluster", "flowIds"];
  const asked = reader.flag(path, value);
  const has = since !== undefined && version !== undefined && versionAtLeast(version, ...since);
  if (asked !== true) return asked ?? has;
  if (since === undefined) {
    problems.add(path, asked, `has no meaning in the ${dialect} dialect`, "Leave it out: its rules have no mark.");
  } else if (version !== undefined && !has) {
    const fix = `Leave it out, or use ${since.join(".")} or newer: the API server refuses the field before.`;
    problems.add(path, asked, `is not known to version ${version}`, fix);
  }
  return true;
}

/** Where the pods' range is not known it may be one of IPv6, too. */
function readPodCidrs(reader: Reader, problems: ProblemCollector, value: unknown): readonly string[] {
  const cidrs = readCidrs(reader, problems, ["cluster", "podCidrs"], value, standIns.pods);
  const isGuess = isUnknown(value) || (Array.isArray(value) && value.some(isUnknown));
  return isGuess && cidrs.includes("0.0.0.0/0") ? [...cidrs, "::/0"] : cidrs;
}

function readCidrs(
  reader: Reader,
  problems: ProblemCollector,
  path: PropertyPath,
  value: unknown,
  standIn: StandIn<string> = standIns.network,
): readonly string[] {
  return (reader.items(path, value, standIn) ?? []).flatMap(({ text: cidr, path: at }) => {
    const wrong = cidrProblem(cidr);
    if (wrong !== undefined) problems.add(at, cidr, wrong.message, wrong.fix);
    return wrong === undefined ? [cidr] : [];
  });
}
