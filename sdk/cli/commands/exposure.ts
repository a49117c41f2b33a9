import { exposure as exposureOf, groupOf, TrafficSet } from "../../reachability";
import type { Exposure, Traffic } from "../../reachability";
import { knownNamespace, knownWorkload } from "../ends";
import type { ExitCode } from "../exit-codes";
import { printExposure } from "../print/exposure";
import { exitCodeOf, load, note, type Loaded } from "../snapshot";
import { outputOf, sourcesOf, type CommonOptions } from "./options";

export interface ExposureOptions extends CommonOptions {
  readonly namespace: readonly string[];
  readonly workload: readonly string[];
}

/** `cluster-security exposure`: what workloads have to do with beyond the workloads there are. */
export async function exposure(positional: readonly string[], options: ExposureOptions): Promise<ExitCode> {
  const loaded = await load(sourcesOf(positional, options), options);
  const { snapshot, reachability } = loaded;
  const namespaces = new Set(options.namespace.map((name) => knownNamespace(name, snapshot)));
  const named = options.workload.map((name) => knownWorkload(name, snapshot).id);
  const inThem = snapshot.workloads.filter(({ namespace }) => namespaces.has(namespace)).map(({ id }) => id);
  const narrowed = namespaces.size > 0 || named.length > 0;
  const found = exposureOf(reachability, narrowed ? { workloads: [...named, ...inThem] } : {});
  noteOtherWays(loaded, options);
  const output = outputOf(options);
  const text = printExposure(loaded.holes ? [...found].map(possibleOnly) : found, options.format);
  if (text === "" && loaded.snapshot.workloads.length > 0) note("none of these is exposed to anything", options);
  output.write(text);
  await output.end();
  return exitCodeOf([loaded], options);
}

/** Ways in that nobody looks at, by API group: what they open is not listed. */
const otherWays =
  /^(networking\.istio\.io\/(Gateway|VirtualService)|route\.openshift\.io\/Route|traefik\.(io|containo\.us)\/IngressRoute(TCP|UDP)?|projectcontour\.io\/HTTPProxy|getambassador\.io\/Mapping|configuration\.konghq\.com\/(TCP|UDP)Ingress|apisix\.apache\.org\/ApisixRoute)$/;
const shownWays = 5;

function noteOtherWays({ snapshot }: Loaded, options: ExposureOptions): void {
  const names = snapshot.others.flatMap(({ object: { apiVersion, kind, metadata } }) =>
    otherWays.test(`${groupOf(apiVersion)}/${kind}`)
      ? [`${kind} ${metadata?.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata?.name ?? ""}`]
      : [],
  );
  if (names.length === 0) return;
  const more = names.length > shownWays ? ` and ${names.length - shownWays} more` : "";
  note(`note: ways in that are not looked at: ${names.slice(0, shownWays).join(", ")}${more}`, options);
}

/** Something could not be read: nothing is allowed for certain. */
function possibleOnly(exposed: Exposure): Exposure {
  const weaken = <T extends Traffic>(each: T): T => ({ ...each, allowed: TrafficSet.none() });
  return {
    ...exposed,
    fromWorld: exposed.fromWorld.map(weaken),
    toWorld: exposed.toWorld.map(weaken),
    entrances: exposed.entrances.map(weaken),
    fromFreshPods: exposed.fromFreshPods.map(weaken),
    toFreshPods: exposed.toFreshPods.map(weaken),
  };
}
