/**
 * The check at the end of an update: what stands in the cluster does what is declared, or the update fails.
 *
 * Why a check at all: Pulumi's Kubernetes provider compares the inputs of a resource with the same fields of the live
 * object. A field that no input names, or an item after the last of a list, is no difference to it: a hole made by hand
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
import type { LiveObject } from "./live-drift";
import { driftOf, makersBefore, nameOf, otherResources } from "./live-drift";
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

/** Sections that an object of a plan may have, besides its metadata. */
const sections = ["spec", "specs", "rules", "subjects", "roleRef"] as const;

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
   * @param registered The objects to read back.
   * @param before Resources that have to be done first, such as namespaces.
   * @param takenOver Filled by hooks while objects are created.
   */
  constructor(
    name: string,
    registered: readonly RegisteredObject[],
    before: readonly pulumi.Resource[],
    takenOver: readonly TakenOver[],
    opts: pulumi.ComponentResourceOptions,
  ) {
    super(typeToken("LiveCheck"), name, {}, opts);
    const reads = registered.map(({ logicalName, object, final, resource }) => {
      // not known in a preview, which therefore reads nothing
      const id = pulumi.runtime.isDryRun() ? notKnown() : resource.id;
      const dependsOn = [resource, ...before];
      return { final, read: new ReadBack(`${name}-${logicalName}`, object, { parent: this, dependsOn, id }) };
    });
    if (pulumi.runtime.isDryRun()) {
      this.#done = Promise.resolve(true);
    } else {
      // the program must not be taken for done before the check is
      const settled = rpcKeepAlive();
      this.#done = new Promise((resolve, reject) => {
        pulumi.all(reads.map(({ read }) => read.live)).apply(async (objects) => {
          const declared = await Promise.all(reads.map(({ final }) => final));
          const drift = objects.flatMap((live, index) => problemsOf(declared[index], live));
          const problems = [...takenOver.map(describeTakenOver), ...drift];
          (problems.length === 0 ? Promise.resolve(true) : refuse(name, problems, this))
            .then(resolve, reject)
            .finally(settled);
        });
      });
    }
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

/** Names of hooks have to differ within a stack. */
let hooksMade = 0;

/** Is never made: its hook fails before. */
class Refusal extends pulumi.ComponentResource {
  constructor(name: string, message: string, parent: pulumi.Resource) {
    hooksMade += 1;
    const hook = new pulumi.ResourceHook(`${name}-${hooksMade}`, () => {
      throw new Error(message);
    });
    super(typeToken("LiveCheckFailure"), name, {}, { parent, hooks: { beforeCreate: [hook] } });
  }
}

/**
 * Fails the update in the engine, by a resource that is refused before it is made. An error of the program alone would
 * come too late: to the engine the program is done when its last resource is registered, and what it did not register
 * because it waited for the check would be deleted.
 */
async function refuse(name: string, problems: readonly string[], check: pulumi.Resource): Promise<boolean> {
  const count = problems.length === 1 ? "1 object" : `${problems.length} objects`;
  const head = `${count} in the cluster must not be left as found:`;
  const message = [head, ...problems.map((line) => `  ${line}`)].join("\n");
  const refusal = new Refusal(`${name}-failed`, message, check);
  await new Promise<void>((resolve) => void refusal.urn.apply(() => resolve()));
  // an engine that has no hooks
  throw new pulumi.ResourceError(message, check, true);
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
  return [...(drift === undefined ? [] : [drift]), ...shared];
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
