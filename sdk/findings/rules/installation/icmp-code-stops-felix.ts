import { isBeforeCalico, isUnknown } from "../../../reachability";
import type { Snapshot, Source } from "../../../reachability";
import { controls } from "../../controls";
import { installations, settingAt } from "../../installations";
import { listOf, mapOf } from "../../plain";
import { policyObjects, policySubject } from "../../policy-rules";
import { findingOf } from "../../report";
import type { Finding, Rule, RuleContext } from "../../types";

/**
 * Felix writes `icmp type 8 code 0`, which nft refuses; after some tries it deletes its table and panics, at each start again.
 * Measured with 3.31.0, read in 3.30 to 3.32 (felix/nftables/match_builder.go).
 */
export const icmpCodeStopsFelix: Rule = {
  id: "icmp-code-stops-felix",
  title: "A rule with an ICMP code stops Felix",
  severity: "critical",
  why:
    "In nftables mode Felix cannot write a rule with an ICMP code: it empties its table and ends, so that no policy of the " +
    "node is enforced, of any namespace, until the rule is gone.",
  description:
    "Where Calico enforces, no NetworkPolicy and no GlobalNetworkPolicy of Calico's has icmp.code or notICMP.code, unless " +
    "the cluster is known to use another dataplane (nftablesMode: Disabled in FelixConfiguration default, or " +
    "linuxDataplane Iptables or BPF in the operator's Installation).",
  remediation:
    "Leave out code, so that the rule is about every code of its type; or keep nftablesMode: Disabled. After the rule is " +
    "gone, start Felix again on each node.",
  controls: [controls.pciRuleSets, controls.nistInformationFlow, controls.nistChangeControl],
  check: checkIcmpCodes,
};

function* checkIcmpCodes(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  // nftables came with 3.29
  if (snapshot.profile.cni !== "calico" || isBeforeCalico(snapshot.profile, 29)) return;
  const dataplane = dataplaneOf(snapshot);
  if (dataplane.nftables === "no") return;
  for (const { origin } of policyObjects(snapshot)) {
    if (origin.dialect !== "calico" || origin.kind === "HostEndpoint") continue;
    const paths = icmpCodesIn(origin.object.spec);
    const [first] = paths;
    if (first === undefined) continue;
    const inMode = dataplane.nftables === "yes" ? "" : ", should the nodes use nftables";
    yield findingOf(icmpCodeStopsFelix, {
      subject: policySubject(origin),
      certainty: dataplane.nftables === "yes" ? "definite" : "possible",
      message: `${origin.kind} ${origin.name} ends the enforcement of every policy on the nodes${inMode}: Felix cannot write ${first}`,
      because: [
        ...paths.map((path) => `${path} is a code, which nft refuses in the form in which Felix writes it`),
        dataplane.because,
      ],
      fix: `Leave out ${paths.join(" and ")}, or set nftablesMode: Disabled in FelixConfiguration default; then start Felix again.`,
      causes: [origin.source, ...dataplane.causes],
    });
  }
}

/** The paths of the ICMP codes in a policy, of both directions: Felix writes the rules of both. */
export function icmpCodesIn(spec: unknown): string[] {
  return (["ingress", "egress"] as const).flatMap((direction) =>
    listOf(mapOf(spec)[direction]).flatMap((rule, index) =>
      (["icmp", "notICMP"] as const).flatMap((field) => {
        const code = mapOf(mapOf(rule)[field])["code"];
        return code === undefined || code === null ? [] : [`spec.${direction}[${index}].${field}.code`];
      }),
    ),
  );
}

interface Dataplane {
  readonly nftables: "yes" | "no" | "unknown";
  readonly because: string;
  readonly causes: readonly (Source | undefined)[];
}

/** What FelixConfiguration, the operator's Installation or its chart state about the dataplane. */
function dataplaneOf(snapshot: Snapshot): Dataplane {
  const found: Dataplane[] = [];
  for (const { product, form, settings, source, subject } of installations(snapshot)) {
    if (product !== "calico") continue;
    const where = `${subject.kind} ${subject.name}`;
    if (form === "felix")
      found.push(...stated(modes, settingAt(settings, "nftablesMode"), `${where} nftablesMode`, source));
    if (form === "values") {
      const path = "installation.calicoNetwork.linuxDataplane";
      found.push(...stated(planes, settingAt(settings, path), `${where} values.${path}`, source));
      const felix = "defaultFelixConfiguration.nftablesMode";
      found.push(...stated(modes, settingAt(settings, felix), `${where} values.${felix}`, source));
    }
  }
  for (const { object, source } of snapshot.others) {
    if (object.kind !== "Installation" || !object.apiVersion.startsWith("operator.tigera.io/")) continue;
    const path = "calicoNetwork.linuxDataplane";
    found.push(
      ...stated(planes, settingAt(object.spec, path), `Installation ${object.metadata?.name ?? ""} ${path}`, source),
    );
  }
  return (
    found.find(({ nftables }) => nftables === "yes") ??
    found.find(({ nftables }) => nftables === "unknown") ??
    found[0] ?? {
      nftables: "unknown",
      because: "no FelixConfiguration or Installation states the dataplane",
      causes: [],
    }
  );
}

type Uses = Dataplane["nftables"];

/** `nftablesMode`. Auto follows what the node's iptables is. Source: api/pkg/apis/projectcalico/v3/felixconfig.go. */
const modes: Readonly<Record<string, Uses>> = { Enabled: "yes", Disabled: "no", Auto: "unknown" };
/** `linuxDataplane`. Source: the operator's api/v1/installation_types.go. */
const planes: Readonly<Record<string, Uses>> = { Nftables: "yes", Iptables: "no", BPF: "no", VPP: "no" };

/** What a value states, nothing where there is none. One that is none of the API's is not repeated: it may be a secret's. */
function stated(
  meanings: Readonly<Record<string, Uses>>,
  value: unknown,
  where: string,
  source: Source | undefined,
): Dataplane[] {
  if (value === undefined || value === null) return [];
  const causes = [source];
  if (typeof value === "string" && Object.hasOwn(meanings, value)) {
    return [{ nftables: meanings[value] ?? "unknown", because: `${where} is ${value}`, causes }];
  }
  const because = isUnknown(value) ? `${where} is not known` : `${where} is no value of Calico's`;
  return [{ nftables: "unknown", because, causes }];
}
