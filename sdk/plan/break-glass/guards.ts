/**
 * Admission policies without which a timer would be no end: whoever may write a bypass could write one that stays.
 *
 * Kubernetes deletes the policies with their timer, which deletes itself (ttlSecondsAfterFinished, ownerReferences). The
 * policies here refuse everything that would keep either: a timer that is long, stopped, run by somebody else's controller,
 * changed, or deleted in a way that leaves what it owns; a bypass with another owner, with a finalizer, or changed later.
 * The end is computed from `creationTimestamp`, the one clock that CEL has: the API server sets it before it validates.
 */
import { groupOf } from "../../reachability";
import { admissionPolicy } from "../admission-policy";
import { bypassAnnotations, timerLabel } from "../bypass-label";
import type { DraftDocument } from "../documents";
import { celOf } from "./cel";
import { durationText } from "./duration";
import type { Grant, GrantedPolicy, NamespaceGrants } from "./grants";
import { grantsAnnotation, grantsLabel, grantsLabelValue, timerPlaceholder, timerPrefix } from "./grants";

/** Holds where one of the object's labels is the timer's, or where it is gone but was there. */
const isMarked = ["object", "oldObject"]
  .map((one) => `(${one} != null && has(${one}.metadata.labels) && '${timerLabel}' in ${one}.metadata.labels)`)
  .join(" || ");

const timer = `has(object.metadata.labels) && '${timerLabel}' in object.metadata.labels ? object.metadata.labels['${timerLabel}'] : ''`;

/** The grant that the timer's name is made of; none or one. */
function grantsOf(grants: readonly Grant[]): string {
  const table = grants.map(({ name, groups, maxSeconds }) => ({ name, groups, seconds: maxSeconds }));
  const own = `"^${timerPrefix}" + string(grant.name) + "-[a-z0-9]{8,16}$"`;
  return `${celOf(table)}.filter(grant, variables.timer.matches(${own}))`;
}

const isGranted = "variables.grants.exists(grant, grant.groups.exists(group, group in request.userInfo.groups))";

const noNewFinalizer =
  "(!has(object.metadata.finalizers) || (oldObject != null && object.metadata.finalizers.all(name, has(oldObject.metadata.finalizers) && name in oldObject.metadata.finalizers)))";

function same(section: string): string {
  const [object, old] = [`object.metadata.${section}`, `oldObject.metadata.${section}`];
  return `has(${object}) == has(${old}) && (!has(${object}) || dyn(${object}) == dyn(${old}))`;
}

/**
 * What a bypass of the namespace has to be. Members of the groups, who may write policies for its sake, write and delete no
 * others here, unless they may change admission policies, and with them this one.
 *
 * @param editors Groups that may write policies of their own in the namespace.
 */
export function guardOfBypasses(
  { namespace, grants }: NamespaceGrants,
  editors: readonly string[],
): readonly DraftDocument[] {
  const policies = grants.flatMap(({ subjects }) => subjects.flatMap((subject) => subject.policies));
  const groups = [...new Set(grants.flatMap((grant) => grant.groups))].sort();
  const isMember = `request.userInfo.groups.exists(group, group in ${celOf(groups)})`;
  const isNoEditor = `!request.userInfo.groups.exists(group, group in ${celOf(editors)})`;
  const isNoAdministrator =
    "!authorizer.group('admissionregistration.k8s.io').resource('validatingadmissionpolicies').check('update').allowed()";
  return admissionPolicy({
    name: `protect-break-glass-bypasses-in-${namespace}`,
    namespace,
    labels: { [grantsLabel]: grantsLabelValue },
    annotations: { [grantsAnnotation]: JSON.stringify({ namespace, grants }) },
    resources: resourcesOf(policies),
    operations: ["CREATE", "UPDATE", "DELETE"],
    matchConditions: {
      "bypass-or-member": `(request.operation != 'DELETE' && (${isMarked})) || (${isMember} && ${[isNoEditor, isNoAdministrator].join(" && ")})`,
    },
    variables: {
      timer: `object == null ? '' : (${timer})`,
      wasBypass: `oldObject != null && has(oldObject.metadata.labels) && '${timerLabel}' in oldObject.metadata.labels`,
      grants: grantsOf(grants),
      stated: "object != null && has(object.metadata.annotations) ? object.metadata.annotations : {}",
      until: `string(${stated(bypassAnnotations.until)})`,
    },
    validations: rulesOfBypasses(grants),
  });
}

/** What a timer of the namespace has to be: every Job with such a name or label is one. */
export function guardOfTimers({ namespace, grants }: NamespaceGrants): readonly DraftDocument[] {
  const named = ["object", "oldObject"]
    .map((one) => `(${one} != null && ${one}.metadata.name.startsWith('${timerPrefix}'))`)
    .join(" || ");
  return admissionPolicy({
    name: `protect-break-glass-timers-in-${namespace}`,
    namespace,
    resources: [{ group: "batch", version: "v1", resources: ["jobs", "jobs/status"] }],
    operations: ["CREATE", "UPDATE", "DELETE"],
    matchConditions: { "is-timer": `${named} || ${isMarked}` },
    variables: {
      timer: `object == null ? '' : (${timer})`,
      grants: grantsOf(grants),
    },
    validations: rulesOfTimers(grants),
  });
}

const onCreate = (expression: string): string => `request.operation != 'CREATE' || (${expression})`;
const onUpdate = (expression: string): string => `request.operation != 'UPDATE' || (${expression})`;

/** An annotation of the object, or nothing. */
const stated = (key: string): string => `(variables.stated[?'${key}'].orValue(''))`;

type Rules = readonly (readonly [expression: string, message: string])[];

function rulesOfBypasses(grants: readonly Grant[]): Rules {
  const latest = `timestamp(object.metadata.creationTimestamp) + duration(string(grant.seconds) + 's')`;
  const owner = "object.metadata.ownerReferences[0]";
  const isStated = (key: string): string => `string(${stated(key)}).trim() != ''`;
  return [
    [
      `request.operation == 'CREATE' ? variables.timer != '' : variables.wasBypass`,
      "Members of the groups of break glass write no other policies here. Open a bypass with cluster-security bypass open.",
    ],
    [
      `request.operation != 'UPDATE' || (variables.wasBypass && dyn(object.spec) == dyn(oldObject.spec) && ${["labels", "annotations", "ownerReferences"].map(same).join(" && ")})`,
      "An open bypass is not changed. Close it, and open another.",
    ],
    [`request.operation == 'DELETE' || ${noNewFinalizer}`, "A bypass has no finalizer: it would stay after its end."],
    [
      onCreate("variables.grants.size() == 1"),
      "The timer of the bypass is of no grant of break glass in this namespace.",
    ],
    [onCreate(isGranted), "The grant of break glass names none of your groups."],
    [
      onCreate(
        `has(object.metadata.ownerReferences) && object.metadata.ownerReferences.size() == 1 && ${owner}.apiVersion == 'batch/v1' && ${owner}.kind == 'Job' && ${owner}.name == variables.timer`,
      ),
      "The one owner of a bypass is its timer, the Job of the name in its label.",
    ],
    [
      onCreate([bypassAnnotations.owner, bypassAnnotations.reason].map(isStated).join(" && ")),
      "A bypass states its owner and its reason in annotations.",
    ],
    [
      onCreate(`${stated(bypassAnnotations.requester)} == request.userInfo.username`),
      "The requester that a bypass states is who creates it.",
    ],
    [
      onCreate(
        `variables.until.matches('^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$') && timestamp(variables.until) > timestamp(object.metadata.creationTimestamp) && variables.grants.all(grant, timestamp(variables.until) <= ${latest})`,
      ),
      `A bypass states its end, which is not over and comes within the time that is granted (${limitsOf(grants)}).`,
    ],
    [onCreate(isTemplate(grants)), "A bypass opens what its grant says, no more and nothing else."],
  ];
}

function rulesOfTimers(grants: readonly Grant[]): Rules {
  const spec = (field: string): string => `has(object.spec.${field})`;
  return [
    [
      onCreate("variables.timer == object.metadata.name && variables.grants.size() == 1"),
      "A Job with this name or label is a timer of break glass: its label is its name, and its name that of a grant in this namespace.",
    ],
    [onCreate(isGranted), "The grant of break glass names none of your groups."],
    [
      onCreate(
        `${spec("activeDeadlineSeconds")} && variables.grants.all(grant, object.spec.activeDeadlineSeconds <= grant.seconds)`,
      ),
      `A timer ends within the time that is granted (${limitsOf(grants)}).`,
    ],
    [
      onCreate(
        `${spec("parallelism")} && object.spec.parallelism == 0 && !(${spec("suspend")} && object.spec.suspend) && !${spec("managedBy")}`,
      ),
      "A timer runs no pod, is not suspended, and is run by the cluster's own controller.",
    ],
    [
      onCreate(`${spec("ttlSecondsAfterFinished")} && object.spec.ttlSecondsAfterFinished == 0`),
      "A timer is deleted as soon as it has ended: ttlSecondsAfterFinished is 0.",
    ],
    [
      onUpdate(`dyn(object.spec) == dyn(oldObject.spec) && ${["labels", "ownerReferences"].map(same).join(" && ")}`),
      "A timer is not changed. Close the bypass, and open another.",
    ],
    [
      onUpdate(
        "!has(oldObject.status.startTime) || (has(object.status.startTime) && object.status.startTime == oldObject.status.startTime)",
      ),
      "A timer does not start again.",
    ],
    [
      `request.operation == 'DELETE' || (${noNewFinalizer} && (oldObject != null || !has(object.metadata.ownerReferences)))`,
      "A timer has no owner and no finalizer: it would stay after its end.",
    ],
    [
      "request.operation != 'DELETE' || (has(request.options.propagationPolicy) && request.options.propagationPolicy in ['Background', 'Foreground'])",
      "A timer is deleted together with the bypass that it owns: set propagationPolicy to Background.",
    ],
  ];
}

function limitsOf(grants: readonly Grant[]): string {
  return grants.map(({ name, maxSeconds }) => `${name}: ${durationText(maxSeconds)}`).join(", ");
}

/** The object's spec is that of a policy that its grant holds. */
function isTemplate(grants: readonly Grant[]): string {
  const hole = { part: timerPlaceholder, expression: "variables.timer" };
  const options = grants.flatMap(({ name, subjects }) =>
    subjects.flatMap(({ policies }) =>
      policies.map(
        ({ apiVersion, resource, spec }) =>
          `(grant.name == ${celOf(name)} && request.resource.group == ${celOf(groupOf(apiVersion))} && request.resource.resource == ${celOf(resource)} && dyn(object.spec) == dyn(${celOf(spec, hole)}))`,
      ),
    ),
  );
  // a CiliumNetworkPolicy may hold rules in `specs`, too
  return `!has(dyn(object).specs) && variables.grants.exists(grant, ${[...new Set(options)].join(" || ")})`;
}

/** The kinds of the policies, each once. */
function resourcesOf(
  policies: readonly GrantedPolicy[],
): readonly { readonly group: string; readonly version: string; readonly resources: readonly string[] }[] {
  const found = new Map(
    policies.map(({ apiVersion, resource }) => [
      `${apiVersion} ${resource}`,
      { group: groupOf(apiVersion), version: apiVersion.split("/")[1] ?? "", resources: [resource] },
    ]),
  );
  return [...found.values()];
}
