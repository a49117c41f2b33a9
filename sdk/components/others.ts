import * as pulumi from "@pulumi/pulumi";
import { ApiClient, connect, readLiveObjects, withoutOwned } from "../cluster/index";
import type { Plan } from "../plan/index";
import { DenyScope } from "../plan/index";
import { buildSnapshot } from "../reachability/index";

/**
 * Workloads of others: those in namespaces that the declaration does not name. A clusterwide default deny covers them too,
 * so its removal takes away a protection that this stack's owners may not know of.
 */
export interface OthersArgs {
  /**
   * Consent: the clusterwide default deny may be removed although workloads of others lose its protection. Without it
   * Pulumi refuses to delete the policy (resource option `protect`), in a destroy as in an update. Defaults to false.
   */
  mayLoseProtection?: boolean;
  /**
   * Context in the kubeconfig of the cluster that is asked which workloads of others there are, so that previews and the
   * posture name them. Only reads. Defaults to none: no cluster is touched, and they stay unnamed.
   */
  context?: string;
  /** Path of the kubeconfig. Defaults to `$KUBECONFIG`, then `~/.kube/config`. */
  kubeconfig?: string;
}

/** What registration has to know about workloads of others. */
export interface OthersCovered {
  /** Nobody agreed to the removal of the clusterwide default deny. */
  readonly protect: boolean;
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
 */
export function coverOthers(
  component: pulumi.Resource,
  plan: Plan,
  denyScope: DenyScope | undefined,
  args: OthersArgs | undefined,
): OthersCovered {
  const clusterwide = (denyScope ?? DenyScope.Cluster) === DenyScope.Cluster;
  const deny = clusterwide ? plan.documents.find(isClusterwideDeny) : undefined;
  if (deny === undefined) return { protect: false, workloads: Promise.resolve(undefined) };
  const { name } = deny.object.metadata;
  const consented = args?.mayLoseProtection ?? false;
  return { protect: !consented, workloads: tell(component, name, consented, plan, args) };
}

/** The policy that denies by default in every namespace, declared or not. */
export function isClusterwideDeny({ stage, object }: Plan["documents"][number]): boolean {
  // a staged one protects nobody, and goes when its mode becomes enforce
  return stage === "default-deny" && object.metadata.namespace === undefined && !object.kind.startsWith("Staged");
}

async function tell(
  component: pulumi.Resource,
  policy: string,
  consented: boolean,
  plan: Plan,
  args: OthersArgs | undefined,
): Promise<string[] | undefined> {
  const consent = consented ? `others.mayLoseProtection is set: ${policy} may be removed.` : "";
  if (args?.context === undefined) {
    if (consented) {
      await pulumi.log.info(
        `${consent} Which workloads of others lose its protection then is not known: name the cluster in others.context.`,
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
  const client = new ApiClient(await connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) }));
  const { objects } = await readLiveObjects(client, { cluster: context });
  const snapshot = buildSnapshot([...withoutOwned(objects)]);
  const known = new Set([...plan.exemptNamespaces, ...plan.namespaces.map(({ name }) => name)]);
  return snapshot.workloads
    .filter(({ namespace, hostNetwork }) => !known.has(namespace) && !hostNetwork)
    .map(({ id }) => id)
    .sort();
}
