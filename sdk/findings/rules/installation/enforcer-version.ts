import semver from "semver";
import type { VersionSupport } from "../../../charts";
import { calicoSupport, ciliumSupport } from "../../../charts";
import type { Snapshot } from "../../../reachability";
import { isUnknown } from "../../../reachability";
import { controls } from "../../controls";
import type { Product } from "../../installations";
import { installations } from "../../installations";
import { textOf } from "../../plain";
import { containersOf } from "../../pod-specs";
import { findingOf } from "../../report";
import { sortedWorkloads, workloadSubject } from "../../subjects";
import type { Finding, Rule, RuleContext, Subject } from "../../types";

/** Cilium 1.13 and Calico 3.25 are the oldest that may enforce; older minors get no fixes. */
export const enforcerVersion: Rule = {
  id: "enforcer-version",
  title: "The enforcer's version is not maintained",
  severity: "high",
  why: "Old agents misread newer policies and have known vulnerabilities; they may not enforce what was computed here.",
  description:
    `No release or chart, and no agent that a DaemonSet runs, is of Cilium before ${ciliumSupport.oldest} or Calico before ` +
    `${calicoSupport.oldest}; one before Cilium ${ciliumSupport.oldestMaintained} or Calico ` +
    `${calicoSupport.oldestMaintained}, which gets no security fixes, is shown with severity low.`,
  remediation: `Upgrade one minor version at a time to a maintained version, such as Cilium ${ciliumSupport.recommended} or Calico ${calicoSupport.recommended}.`,
  controls: [controls.cisNetworkPluginSupportsPolicies, controls.nistBoundaryProtection, controls.pciRuleSets],
  check: checkVersions,
};

const supports: Readonly<Record<Product, VersionSupport>> = { cilium: ciliumSupport, calico: calicoSupport };

/** A version that some object states. */
interface Stated {
  /** Undefined where the image is not known: it may be an agent's. */
  readonly product?: Product;
  readonly subject: Subject;
  readonly path: string;
  /** As it is written; undefined where it is not known or not readable. */
  readonly text: string | undefined;
}

function* checkVersions(context: RuleContext): Iterable<Finding> {
  const { snapshot } = context.reachability;
  for (const stated of [...chartVersions(snapshot), ...agentVersions(snapshot)]) {
    const found = judge(stated);
    if (found !== undefined) yield found;
  }
}

/** Versions of charts. Without one Helm takes the newest, which is no finding. */
function chartVersions(snapshot: Snapshot): Stated[] {
  return installations(snapshot)
    .filter(({ form, version, versionUnknown }) => form === "values" && (version !== undefined || versionUnknown))
    .map(({ product, subject, version }) => ({ product, subject, path: "spec.version", text: version }));
}

/** `quay.io/cilium/cilium`, `docker.io/calico/node`, and the mirrors of distributions (`rancher/mirrored-calico-node`). */
const agentImages: readonly (readonly [Product, RegExp])[] = [
  ["cilium", /(^|[/-])cilium[/-]cilium(-ci)?$/],
  ["calico", /(^|[/-])calico[/-]node$/],
];

/** Versions of the agents themselves, by the tags of their images. An image by digest alone states none. */
function agentVersions(snapshot: Snapshot): Stated[] {
  return sortedWorkloads(snapshot)
    .filter(({ kind }) => kind === "DaemonSet" || kind === "Pod")
    .flatMap((workload): Stated[] => {
      const subject = workloadSubject(workload);
      for (const { path, fields } of containersOf(workload)) {
        const image = fields["image"];
        // agents of any product are on the host network; what else is there is none of them
        if (isUnknown(image) && workload.hostNetwork) return [{ subject, path: `${path}.image`, text: undefined }];
        const [, name, tag] = /^([^@]+?)(?::([\w][\w.-]*))?(?:@.*)?$/.exec(textOf(image) ?? "") ?? [];
        const product = agentImages.find(([, pattern]) => pattern.test(name ?? ""))?.[0];
        if (product === undefined || tag === undefined || semver.coerce(tag) === null) continue;
        return [{ product, subject, path: `${path}.image`, text: tag }];
      }
      return [];
    });
}

/** A version, or for a range (Helm takes the newest that fits) the oldest version in it, if the range ends below `floor`. */
function versionIn(text: string, floor: string): semver.SemVer | undefined {
  const exact = semver.parse(text.replace(/^v/, ""));
  if (exact !== null) return exact;
  if (semver.validRange(text) === null) return undefined;
  const oldest = semver.minVersion(text);
  const decided = oldest !== null && (semver.gte(oldest, floor) || semver.gtr(floor, text));
  return decided ? oldest : undefined;
}

function judge({ product, subject, path, text }: Stated): Finding | undefined {
  const about = { subject, causes: [subject.source] };
  const who = `${subject.kind} ${subject.name}`;
  if (product === undefined) {
    return findingOf(enforcerVersion, {
      ...about,
      severity: "medium",
      certainty: "possible",
      message: `Whether ${who} runs the agent of a CNI, and which version of it, is not known`,
      because: [`it is on the host network and ${path} is not known yet`],
      fix: "Write the image of a pod on the host network as a literal.",
    });
  }
  const { product: name, oldest, oldestMaintained, recommended } = supports[product];
  const version = text === undefined ? undefined : versionIn(text, oldest);
  if (version === undefined) {
    return findingOf(enforcerVersion, {
      ...about,
      certainty: "possible",
      message: `Which version of ${name} ${who} installs is not known`,
      because: [`${path} is not known yet, or is no version`],
      fix: `Write the version as a literal, such as ${recommended}.`,
    });
  }
  // a release candidate counts as the version that it is for
  const released = `${version.major}.${version.minor}.${version.patch}`;
  if (semver.lt(released, oldest)) {
    return findingOf(enforcerVersion, {
      ...about,
      message: `${who} installs ${name} ${released}, which is older than ${oldest}`,
      because: [`${path} is below the oldest version that may enforce policies`],
    });
  }
  if (semver.gte(released, oldestMaintained)) return undefined;
  return findingOf(enforcerVersion, {
    ...about,
    severity: "low",
    message: `${who} installs ${name} ${released}, which no longer gets security fixes`,
    because: [`${path} is older than ${oldestMaintained}, the oldest minor that is maintained`],
  });
}
