/**
 * The check at the end of an update: what is in the cluster does what is declared, or the update fails.
 *
 * Why a check at all: Pulumi's Kubernetes provider compares the inputs of a resource with the same fields of the live
 * object. A field that no input names, or an item after the last of a list, is no difference to it: a hole made out of band
 * (`kubectl patch`) is never repaired, refresh or not. And a provider older than pulumi-kubernetes#4278 (April 2026) takes
 * over objects that exist instead of refusing to create them.
 *
 * Why resources that are read (`get`): they go through the provider, with the credentials, the cluster and the
 * impersonation of the policies themselves; they need no client, no kubeconfig and no role of their own, and they work the
 * same in the plugin that serves other languages. The engine reads them anew in every update, refreshed or not. Their
 * price is an external resource in the state for each object, which Pulumi neither counts as a change nor shows without
 * `--show-reads`. A preview reads nothing: what an update is going to repair is no reason to refuse it, and a preview must
 * work where the cluster cannot be reached.
 *
 * What other means do not do: hooks do not run for a resource that has no change; hooks on deletion need
 * `pulumi destroy --run-program` from everybody; a client of our own would look into another cluster than an explicit
 * provider does.
 */
import * as pulumi from "@pulumi/pulumi";
import { getVersion } from "@pulumi/kubernetes/utilities";
import { rpcKeepAlive } from "@pulumi/pulumi/runtime/settings";
import type { PlannedObject } from "../plan/index";
import type { Drift, LiveObject } from "../findings/live-drift";
import { driftOf, nameOf } from "../findings/live-drift";
import { makersBefore, otherResources, sections } from "./live-drift";
import { refuse } from "./refusal";
import { typeToken } from "./type-tokens";

/** An object that the component registered, and the resource that stands for it. */
export interface RegisteredObject {
  readonly logicalName: string;
  readonly object: PlannedObject;
  /** The same with the values of outputs in it. */
  readonly final: Promise<PlannedObject>;
  readonly resource: pulumi.CustomResource;
}

/** Says where an object came from that the update has just created: set by hooks, read by the check. */
export interface TakenOver {
  /** `Namespace shop`. */
  readonly name: string;
  readonly isNamespace: boolean;
  readonly urn: string;
  readonly makers: readonly string[];
}

/** An object that is read from the cluster, whatever its kind. */
class ReadBack extends pulumi.CustomResource {
  declare readonly metadata: pulumi.Output<LiveObject["metadata"]>;

  constructor(name: string, { apiVersion, kind, metadata }: PlannedObject, opts: pulumi.CustomResourceOptions) {
    const { name: objectName, namespace } = metadata;
    const props: Record<string, unknown> = {
      apiVersion,
      kind,
      // for transformations of users that expect an object of theirs to have metadata
      metadata: { name: objectName, ...(namespace === undefined ? {} : { namespace }) },
    };
    for (const section of sections) props[section] = undefined;
    super(`kubernetes:${apiVersion}:${kind}`, name, props, { version: getVersion(), ...opts });
  }

  /** The live object, once it is read. */
  get live(): pulumi.Output<LiveObject> {
    const own = this as unknown as Readonly<Record<string, pulumi.Output<unknown>>>;
    const read = Object.fromEntries(sections.map((section) => [section, own[section]]));
    return pulumi.output({ ...read, metadata: this.metadata }) as pulumi.Output<LiveObject>;
  }
}

/** The check of a component's objects; whoever depends on the component waits for it. */
export class LiveCheck extends pulumi.ComponentResource {
  /** True once everything stands as declared; rejects where something does not. */
  readonly passed: pulumi.Output<boolean>;
  readonly #done: Promise<boolean>;

  /**
   * @param component Whose objects they are. It is the parent of what is read: where a policy is in the state, so is it.
   * @param registered The objects to read back.
   * @param before Resources that have to be done first, such as namespaces.
   * @param takenOver Filled by hooks while objects are created.
   */
  constructor(
    name: string,
    component: pulumi.Resource,
    registered: readonly RegisteredObject[],
    before: readonly pulumi.Resource[],
    takenOver: readonly TakenOver[],
  ) {
    super(typeToken("LiveCheck"), name, {}, { parent: component });
    // the program must not be taken for done before the check is
    const settled = rpcKeepAlive();
    this.#done = check(name, component, registered, before, takenOver).finally(settled);
    this.passed = pulumi.output(this.#done);
    this.registerOutputs({});
  }

  /** Pulumi awaits it before it takes the component's children for complete, in `dependsOn` of others. */
  protected override async initialize(): Promise<void> {
    // runs inside the constructor of the base class: what this one sets is there after a turn
    await Promise.resolve();
    await this.#done;
  }
}

async function check(
  name: string,
  component: pulumi.Resource,
  registered: readonly RegisteredObject[],
  before: readonly pulumi.Resource[],
  takenOver: readonly TakenOver[],
): Promise<boolean> {
  const isDryRun = pulumi.runtime.isDryRun();
  const looked = await Promise.all(
    registered.map(async ({ logicalName, object, final, resource }): Promise<readonly string[]> => {
      const made = await idOf(resource);
      if (made === undefined) return isDryRun ? [] : [describeLeftOut(object)];
      // an identifier that is not known is not read, but keeps its place in the state
      const id = isDryRun ? notKnown() : made;
      const options = { parent: component, dependsOn: [resource, ...before], id };
      const read = new ReadBack(`${name}-${logicalName}`, object, options);
      return isDryRun ? [] : problemsOf(await final, await valueOf(read.live));
    }),
  );
  const problems = [...takenOver.map(describeTakenOver), ...looked.flat()];
  return problems.length === 0 ? true : refuse(name, messageOf(problems), component);
}

/** Undefined in a preview that is going to create the resource, and in an update that leaves it out (`--target`). */
export async function idOf({ id }: pulumi.CustomResource): Promise<string | undefined> {
  const output: pulumi.Output<string> & { readonly isKnown?: Promise<boolean> } = id;
  return (await output.isKnown) === false ? undefined : (await valueOf(output)) || undefined;
}

/** The value of an output, once it is known. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => void output.apply((value) => resolve(value as T)));
}

/** Names of hooks have to differ within a stack. */
let hooksMade = 0;

function messageOf(problems: readonly string[]): string {
  const count = problems.length === 1 ? "1 object" : `${problems.length} objects`;
  const head = `${count} in the cluster must not be left as found:`;
  return [head, ...problems.map((line) => `  ${line}`)].join("\n");
}

function notKnown(): pulumi.Output<string> {
  return pulumi.output(pulumi.unknown as unknown as string);
}

function problemsOf(object: PlannedObject | undefined, live: LiveObject): readonly string[] {
  if (object === undefined) return [];
  const drift = driftOf(object, live);
  const managers = otherResources(live);
  const shared =
    managers.length === 0
      ? []
      : [
          `${nameOf(object)} is managed by another Pulumi resource too (field manager ${managers.join(", ")}): the one under ` +
            "a former name or parent, or one of another stack. Whichever is deleted first takes the object with it. " +
            "Keep the former name in aliases and take the new resource out of the state, or take the other one out: " +
            "pulumi state delete '<its URN>', then delete the object with kubectl and run pulumi up --refresh.",
        ];
  return [...(drift === undefined ? [] : [describeDrift(drift)]), ...shared];
}

function describeDrift({ what, effect, mend }: Drift): string {
  return [`${what}.`, ...(effect === "" ? [] : [effect]), `Mend it: ${mend}`].join(" ");
}

function describeLeftOut(object: PlannedObject): string {
  return `${nameOf(object)} is declared and does not stand, because this update leaves it out. Include it in --target, or run pulumi up without. In a destroy --run-program that goes on from an interrupted one, set liveCheck: false.`;
}

function describeTakenOver({ name, isNamespace, urn, makers }: TakenOver): string {
  const out = `take it out of the state (pulumi state delete '${urn}')`;
  const mend = isNamespace
    ? `A destroy would delete it with everything in it. If it is not this stack's, ${out} and declare the namespace with existing: true.`
    : `A destroy would delete it. If it is not this stack's, ${out} and rename it in policyNames; otherwise delete it with kubectl.`;
  return `${name} was there before this stack, made by ${makers.join(", ")}, and has been taken over. ${mend}`;
}

/**
 * A hook that notes what was not new when it was created; the check fails because of it. An engine that is too old for
 * hooks, and Pulumi's mocks, have none.
 */
export function noteTakenOver(component: string, into: TakenOver[]): pulumi.ResourceHook {
  hooksMade += 1;
  return new pulumi.ResourceHook(`${component}-object-is-new-${hooksMade}`, ({ urn, newOutputs }) => {
    const live = (newOutputs ?? {}) as LiveObject & { readonly kind?: string };
    const makers = makersBefore(live);
    if (makers.length === 0) return;
    const { name = "", namespace } = (live.metadata ?? {}) as { name?: string; namespace?: string };
    const kind = live.kind ?? "object";
    into.push({
      name: `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`,
      isNamespace: kind === "Namespace",
      urn,
      makers,
    });
  });
}
