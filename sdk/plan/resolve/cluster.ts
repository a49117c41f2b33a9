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
import { readDns } from "./dns";

const clusterFields = [
  "dns",
  "apiServer",
  "nodeCidrs",
  "enforcerVersion",
  "podCidrs",
  "enforcerAudits",
  "experimentalPeers",
];

/** What a cluster is like, as far as policies depend on it. */
type Cluster = Pick<
  Model,
  "dns" | "apiServer" | "nodeCidrs" | "podCidrs" | "enforcerVersion" | "enforcerAudits" | "experimentalPeers"
>;

/** The declared facts, with the defaults of those that are left out. */
export function readCluster(
  reader: Reader,
  problems: ProblemCollector,
  value: unknown,
  dialect: Dialect,
  { staged }: PolicyApiLimits,
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
    experimentalPeers: reader.flag(["cluster", "experimentalPeers"], cluster["experimentalPeers"]) ?? false,
  };
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
