import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { isFlag, isObject, isText } from "./arguments";
import { ApiClient, connect, readLiveObjects, withoutOwned } from "../cluster/index";
import type { Plan } from "../plan/index";
import { DenyScope } from "../plan/index";
import type { KubeObject, SourcedObject } from "../reachability/index";
import { buildSnapshot, isStagedKind, lostProtection } from "../reachability/index";
import { isRealEngine } from "./engine";

/**
 * The clusterwide default deny. It also isolates workloads in namespaces that the declaration does not name, so its
 * removal takes away a protection that this stack's owners may not know of.
 */
export interface DefaultDenyArgs {
  /**
   * Consent: the clusterwide default deny may be removed, or narrowed in place, although workloads in namespaces that are
   * not declared lose its protection. Without it Pulumi refuses to delete the policy (resource option `protect`), in a
   * destroy as in an update, and refuses a change after which it covers less, in preview as in an update. Defaults to false.
   */
  allowRemoval?: boolean;
  /**
   * Context in the kubeconfig of the cluster that is asked which such workloads there are, so that previews and the
   * posture name them. Only reads. Defaults to none: no cluster is touched, and they stay unnamed.
   */
  context?: string;
  /** Path of the kubeconfig. Defaults to `$KUBECONFIG`, then `~/.kube/config`. */
  kubeconfig?: string;
}

/** The former name of `DefaultDenyArgs`. */
export interface OthersArgs {
  /** The former name of `defaultDeny.allowRemoval`. */
  mayLoseProtection?: boolean;
  /** The former name of `defaultDeny.context`. */
  context?: string;
  /** The former name of `defaultDeny.kubeconfig`. */
  kubeconfig?: string;
}

/**
 * What is said about the clusterwide default deny, under its name or under the former one, which is taken for one more
 * version. Where both say something, the name counts.
 */
export function defaultDenyOf(
  component: pulumi.Resource,
  { defaultDeny, others }: { readonly defaultDeny?: DefaultDenyArgs; readonly others?: OthersArgs },
): DefaultDenyArgs | undefined {
  if (others === undefined) return defaultDeny;
  void pulumi.log.warn(
    "others is called defaultDeny now, and others.mayLoseProtection is defaultDeny.allowRemoval. " +
      "The former names are taken for one more version: rename them.",
    component,
  );
  const { mayLoseProtection, ...cluster } = others;
  return {
    ...cluster,
    ...(mayLoseProtection === undefined ? {} : { allowRemoval: mayLoseProtection }),
    ...defaultDeny,
  };
}

/** How the arguments about the default deny, and that about the live check, are checked. */
export const ownArguments = {
  liveCheck: isFlag,
  defaultDeny: isObject({ allowRemoval: isFlag, context: isText, kubeconfig: isText }),
  others: isObject({ mayLoseProtection: isFlag, context: isText, kubeconfig: isText }),
};

/** What registration has to know about workloads of others. */
export interface OthersCovered {
  /** Options of the clusterwide default deny: what keeps it from being removed or narrowed where nobody agreed to that. */
  readonly denyOptions: Pick<pulumi.CustomResourceOptions, "protect" | "hooks">;
  /** `namespace/name[Kind]`, sorted; undefined where no cluster was named or it could not be read. */
  readonly workloads: Promise<string[] | undefined>;
}

/**
 * Finds out about workloads of others and says so in the log of the component.
 *
 * Why `protect` and no delete hook: a protected resource is refused by the engine itself, in every language and also in a
 * destroy, which does not run the program. A delete hook needs `pulumi destroy --run-program` from everybody, every time,
 * and is gone when the component is removed from the program. Why no `retainOnDelete`: the deny would stay behind without
 * its allows, and cut off everybody.
 *
 * @param name The component's own.
 */
export function coverOthers(
  name: string,
  component: pulumi.Resource,
  plan: Plan,
  denyScope: DenyScope | undefined,
  args: DefaultDenyArgs | undefined,
): OthersCovered {
  const deny = plan.documents.find(isClusterwideDeny);
  if (deny === undefined) return { denyOptions: {}, workloads: Promise.resolve(undefined) };
  const consented = args?.allowRemoval ?? false;
  // the one in place may cover more than the one that is declared now
  const guarded = !consented && isRealEngine();
  const hooks = guarded ? { hooks: { beforeUpdate: [refuseNarrowing(name, component, plan, args)] } } : {};
  if ((denyScope ?? DenyScope.Cluster) !== DenyScope.Cluster) {
    return { denyOptions: hooks, workloads: Promise.resolve(undefined) };
  }
  return {
    // left out where it is false: an explicit `false` would undo a user's `protect` on the component
    denyOptions: consented ? {} : { protect: true, ...hooks },
    workloads: tell(component, deny.object.metadata.name, consented, plan, args),
  };
}

/**
 * Names of hooks have to differ within a stack. Two components of different types may be called the same, and those of a
 * program in another language are made by a process of their own.
 */
let hooksMade = 0;

/**
 * Refuses an update in place after which the clusterwide default deny protects less: its subject shrunk, a direction gone,
 * something let in. `protect` is about deletion only. The hook compares with what the state says, so that it holds in
 * every language and without a cluster; a cluster that is named in `defaultDeny.context` tells who it is about.
 */
function refuseNarrowing(
  component: string,
  resource: pulumi.Resource,
  plan: Plan,
  args: DefaultDenyArgs | undefined,
): pulumi.ResourceHook {
  const own = new Set(plan.namespaces.map(({ name }) => name));
  hooksMade += 1;
  return new pulumi.ResourceHook(
    `${component}-default-deny-not-narrowed-${hooksMade}`,
    async ({ oldInputs, newInputs }) => {
      const [standing, changed] = [policyOf(oldInputs), policyOf(newInputs)];
      const name = standing?.metadata?.name ?? "the default deny";
      const fix = "Agree with defaultDeny.allowRemoval: true, or leave it as wide as it is.";
      if (standing === undefined || changed === undefined) {
        const problem = `whether ${name} still covers all pods that it covers is not known yet`;
        if (!pulumi.runtime.isDryRun()) throw new Error(`${problem}. ${fix}`);
        await pulumi.log.warn(`${problem}: the update will tell, and refuse where it does not.`, resource);
        return;
      }
      // labels and the like: the cluster need not be asked
      if (isDeepStrictEqual(standing["spec"], changed["spec"])) return;
      const objects = await othersIn(args);
      const lost = lostProtection(standing, changed, objects === undefined ? { own } : { own, objects });
      if (lost.length > 0) throw new Error(`${name} would no longer protect ${lost.join(", ")}. ${fix}`);
    },
    { onDryRun: true },
  );
}

/** A policy as the engine hands it to a hook; undefined where a part of its spec is not known yet. */
function policyOf(inputs: Record<string, unknown> | undefined): KubeObject | undefined {
  if (inputs === undefined || pulumi.containsUnknowns(inputs["spec"]) || typeof inputs["spec"] !== "object") {
    return undefined;
  }
  return inputs as unknown as KubeObject;
}

/** What is in the cluster that was named; undefined where none was, or it cannot be read. */
async function othersIn(args: DefaultDenyArgs | undefined): Promise<readonly SourcedObject[] | undefined> {
  if (args?.context === undefined) return undefined;
  // who cannot be asked is taken for somebody who loses: the caller then goes by the policies alone
  return readCluster(args.context, args.kubeconfig).catch(() => undefined);
}

/** The policy that denies by default in every namespace, declared or not. */
export function isClusterwideDeny({ stage, object }: Plan["documents"][number]): boolean {
  // a staged one protects nobody, and goes when its mode becomes enforce
  return (
    stage === "default-deny" && object.metadata.namespace === undefined && !isStagedKind(object.apiVersion, object.kind)
  );
}

async function tell(
  component: pulumi.Resource,
  policy: string,
  consented: boolean,
  plan: Plan,
  args: DefaultDenyArgs | undefined,
): Promise<string[] | undefined> {
  const consent = consented ? `defaultDeny.allowRemoval is set: ${policy} may be removed.` : "";
  if (args?.context === undefined) {
    if (consented) {
      await pulumi.log.info(
        `${consent} Which workloads of others lose its protection then is not known: name the cluster in defaultDeny.context.`,
        component,
      );
    }
    return undefined;
  }
  try {
    const found = await workloadsOfOthers(args.context, args.kubeconfig, plan);
    if (found.length > 0) {
      const names = `${found.length} workloads in namespaces that are not declared: ${found.join(", ")}`;
      if (consented) await pulumi.log.warn(`${consent} Without it these lose its protection: ${names}`, component);
      else await pulumi.log.info(`${policy} also covers ${names}`, component);
    }
    return found;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await pulumi.log.warn(`Which workloads of others ${policy} covers could not be read: ${reason}`, component);
    return undefined;
  }
}

async function workloadsOfOthers(context: string, kubeconfig: string | undefined, plan: Plan): Promise<string[]> {
  const snapshot = buildSnapshot(await readCluster(context, kubeconfig));
  const known = new Set([...plan.exemptNamespaces, ...plan.namespaces.map(({ name }) => name)]);
  return snapshot.workloads
    .filter(({ namespace, hostNetwork }) => !known.has(namespace) && !hostNetwork)
    .map(({ id }) => id)
    .sort();
}

async function readCluster(context: string, kubeconfig: string | undefined): Promise<readonly SourcedObject[]> {
  const client = new ApiClient(await connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) }));
  const { objects } = await readLiveObjects(client, { cluster: context });
  return [...withoutOwned(objects)];
}
