/**
 * Labels that are part of a pod's identity in Cilium. The agent leaves some out (`labels` of its configuration): to every
 * kind of policy the pod does not have them. Source: pkg/labelsfilter/filter.go.
 */
import type { EnforcerProfile } from "../model/profile";
import type { CompiledPolicy, DirectionRules, PeerTerm, Rule } from "../model/rules";
import { isBeforeCilium } from "../model/cilium-version";
import { all, always, any, never, not, perhaps, type Condition, type Test } from "../model/selectors/conditions";
import type { ObjectReader } from "./fields";

/** A pattern of labels that are taken in or left out. */
interface LabelPattern {
  /** Whose labels: `k8s`, …; nothing for any. */
  readonly source: string | undefined;
  readonly expression: RegExp;
  readonly excludes: boolean;
}

/** The agent's own list, in force before what is configured (defaultLabelPrefixCfg). */
const defaults: readonly string[] = [
  "io\\.kubernetes\\.pod\\.namespace",
  "io\\.cilium\\.k8s\\.namespace\\.labels",
  "app\\.kubernetes\\.io",
  "io\\.cilium\\.k8s\\.policy\\.cluster",
  "io\\.cilium\\.k8s\\.policy\\.serviceaccount",
  "!io\\.kubernetes",
  "!kubernetes\\.io",
  "!statefulset\\.kubernetes\\.io/pod-name",
  "!apps\\.kubernetes\\.io/pod-index",
  "!batch\\.kubernetes\\.io/job-completion-index",
  "!batch\\.kubernetes\\.io/controller-uid",
  "!.*beta\\.kubernetes\\.io",
  "!k8s\\.io",
  "!pod-template-generation",
  "!pod-template-hash",
  "!controller-revision-hash",
  "!controller-uid",
  "!annotation.*",
  "!etcd_node",
  "!topology\\.kubernetes\\.io",
];

/** Says of a label's key, as Cilium writes it, whether it is part of identities. */
export type LabelFilter = (key: string) => boolean;

/**
 * The filter that the agent's `labels` option makes. A label is part of the identity where no pattern excludes it (and none
 * of the configured ones includes, which makes the list an exclusive one), or where the longest including match is longer
 * than the shortest excluding one.
 */
export function labelFilter(configured: readonly string[]): LabelFilter {
  const own = configured.map(patternOf);
  const patterns = [...defaults.map(patternOf), ...own];
  const onlyIncluded = own.some((pattern) => !pattern.excludes);
  const known = new Map<string, boolean>();
  return (key) => {
    let keeps = known.get(key);
    if (keeps === undefined) known.set(key, (keeps = isIncluded(key, patterns, onlyIncluded)));
    return keeps;
  };
}

function isIncluded(key: string, patterns: readonly LabelPattern[], onlyIncluded: boolean): boolean {
  let included = 0;
  let excluded = 0;
  for (const { source, expression, excludes } of patterns) {
    if (source !== undefined && source !== "k8s") continue;
    const match = expression.exec(key);
    // the pattern has to match from the start of the key
    if (match === null || match.index !== 0) continue;
    const { length } = match[0];
    if (excludes) excluded = excluded === 0 ? length : Math.min(excluded, length);
    else included = Math.max(included, length);
  }
  return (!onlyIncluded && excluded === 0) || included > excluded;
}

function patternOf(text: string): LabelPattern {
  const colon = text.indexOf(":");
  const source = colon < 0 ? undefined : text.slice(0, colon) || undefined;
  const pattern = colon < 0 ? text : text.slice(colon + 1);
  const excludes = pattern.startsWith("!");
  return { source, expression: expressionOf(excludes ? pattern.slice(1) : pattern), excludes };
}

/** An agent with a pattern that is no expression does not start; here it stands for its own letters. */
function expressionOf(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch {
    return new RegExp(pattern.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  }
}

const filters = new WeakMap<EnforcerProfile, LabelFilter>();

/**
 * The policy as the agent reads it: pods lack the labels that are left out of identities, so that a selector that asks for
 * one selects nobody. Reports every such label once.
 */
export function withIdentityLabels(
  policy: CompiledPolicy,
  profile: EnforcerProfile,
  reader: ObjectReader,
): CompiledPolicy {
  if (profile.identityLabels === undefined) return policy;
  let keeps = filters.get(profile);
  if (keeps === undefined) filters.set(profile, (keeps = labelFilter(profile.identityLabels)));
  const filter = keeps;
  const reported = new Set<string>();
  const translate = (condition: Condition, path: string): Condition =>
    mapTests(condition, (test) => {
      const key = ciliumNameOf(test);
      if (key === undefined || filter(key)) return test;
      const selects = test.operator === "notIn" || test.operator === "doesNotExist";
      if (!reported.has(key)) {
        reported.add(key);
        const effect = selects
          ? "every pod fits a selector that asks for its absence"
          : "a selector that asks for it selects no pod";
        reader.notEnforced(
          `Cilium leaves a label that it asks for out of identities: ${effect}`,
          path,
          `Cilium leaves the label ${test.key} out of identities: ${effect}`,
        );
      }
      if (key.startsWith("topology.kubernetes.io") && isBeforeCilium(profile, 19)) {
        // left out since 1.19, and since some patch release of 1.18
        return selects ? any(test, perhaps) : all(test, perhaps);
      }
      return selects ? always : never;
    });
  const rulesOf = (rules: DirectionRules): DirectionRules => ({
    ...rules,
    rules: rules.rules.map((rule): Rule => {
      const peers = rule.peers.map((term) => mapTerm(term, (condition) => translate(condition, rule.path)));
      return peers.some((term, index) => term !== rule.peers[index]) ? { ...rule, peers } : rule;
    }),
  });
  const { subject, ingress, egress } = policy;
  return {
    ...policy,
    subject: subject.kind === "pods" ? { ...subject, where: translate(subject.where, "spec") } : subject,
    ...(ingress === undefined ? {} : { ingress: rulesOf(ingress) }),
    ...(egress === undefined ? {} : { egress: rulesOf(egress) }),
  };
}

/** How Cilium writes the label that a test looks at; nothing where the test is about no label. */
function ciliumNameOf({ field, key }: Test): string | undefined {
  if (field === "label") return key;
  return field === "namespaceLabel" ? `io.cilium.k8s.namespace.labels.${key}` : undefined;
}

/** The same condition with other tests; the same object where none is another. */
function mapTests(condition: Condition, map: (test: Test) => Condition): Condition {
  switch (condition.op) {
    case "test":
      return map(condition);
    case "constant":
      return condition;
    case "not": {
      const inner = mapTests(condition.of, map);
      return inner === condition.of ? condition : not(inner);
    }
    case "and":
    case "or": {
      const parts = condition.of.map((each) => mapTests(each, map));
      if (parts.every((part, index) => part === condition.of[index])) return condition;
      return condition.op === "and" ? all(...parts) : any(...parts);
    }
  }
}

function mapTerm(term: PeerTerm, map: (condition: Condition) => Condition): PeerTerm {
  switch (term.kind) {
    case "pods":
    case "identities": {
      const where = map(term.where);
      return where === term.where ? term : { ...term, where };
    }
    case "and":
    case "or": {
      const of = term.of.map((each) => mapTerm(each, map));
      return of.every((each, index) => each === term.of[index]) ? term : { ...term, of };
    }
    case "not": {
      const of = mapTerm(term.of, map);
      return of === term.of ? term : { ...term, of };
    }
    default:
      return term;
  }
}
