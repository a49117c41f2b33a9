/**
 * At the end of an update that grants break glass, a trial: does the cluster end what would be opened? The update fails where it
 * does not.
 *
 * Why a client of our own: what is tried goes by itself, and a resource that is gone would be made again by every update with a
 * refresh; and the absence of an object is nothing that a resource can read. Why it asks no other cluster than the provider: it
 * looks at the admission policy that the provider has made, and goes on only where that has the same uid.
 */
import * as pulumi from "@pulumi/pulumi";
import { rpcKeepAlive } from "@pulumi/pulumi/runtime/settings";
import type { ProviderCluster, TrialResult } from "../cluster/index";
import { ApiClient, BreakGlassApi, ClusterError, connectAsProvider, tryBreakGlass } from "../cluster/index";
import { durationText } from "../plan/index";
import { isFlag, isObject, isText } from "./arguments";
import { isConstructedForAnotherLanguage } from "./engine";
import { idOf, valueOf } from "./live-check";
import { refuse } from "./refusal";

/** How an update tries whether the cluster ends bypasses of break glass. */
export interface BreakGlassTrialArgs {
  /** Do not try it. A bypass may then stay open past its end. Defaults to false. */
  skip?: boolean;
  /**
   * Context in the kubeconfig of the cluster. Defaults to the provider's, where the program shows it, then to the current one.
   */
  context?: string;
  /** Path of the kubeconfig. Defaults to the provider's, where the program shows it, then to `$KUBECONFIG`, then `~/.kube/config`. */
  kubeconfig?: string;
}

/** How the argument is checked. */
export const trialArguments = isObject({ skip: isFlag, context: isText, kubeconfig: isText });

/** An admission policy with grants, as a resource of the stack. */
export interface GuardResource {
  /** Name of the object. */
  readonly name: string;
  readonly resource: pulumi.CustomResource;
}

/**
 * Tries it beside everything else that the update does: nothing waits for it but the end of the program, and in a program of
 * another language the component's outputs, without which the engine would not hear of a failure.
 *
 * @param before Resources that have to be done first: policies, whose kinds are then there.
 * @returns What the outputs wait for; undefined where they wait for nothing.
 */
export function tryEndOfBypasses(
  name: string,
  component: pulumi.Resource,
  guards: readonly GuardResource[],
  before: readonly pulumi.CustomResource[],
  args: BreakGlassTrialArgs = {},
): pulumi.Output<boolean> | undefined {
  if (guards.length === 0 || args.skip === true || pulumi.runtime.isDryRun()) return undefined;
  const settled = rpcKeepAlive();
  const done = tryAll(name, component, guards, before, args).finally(settled);
  if (isConstructedForAnotherLanguage()) return pulumi.output(done);
  // a failure ends the operation in the engine; the promise itself is nobody's
  done.catch(() => undefined);
  return undefined;
}

async function tryAll(
  name: string,
  component: pulumi.Resource,
  guards: readonly GuardResource[],
  before: readonly pulumi.CustomResource[],
  args: BreakGlassTrialArgs,
): Promise<boolean> {
  await Promise.all(before.map(idOf));
  const clusters = await clustersOf(component, args);
  const problems = await Promise.all(
    guards.map(async (guard): Promise<string | undefined> => {
      const uid = await uidOf(guard.resource);
      // left out of the update (--target): it is said by the live check
      if (uid === undefined) return undefined;
      try {
        return problemOf(await tryIn(clusters, { name: guard.name, uid }), guard.name, component);
      } catch (error) {
        if (error instanceof ClusterError) return `The end of bypasses could not be tried: ${error.message}`;
        throw error;
      }
    }),
  );
  const found = [...new Set(problems.filter((problem) => problem !== undefined))];
  return found.length === 0 ? true : refuse(`${name}-trial`, messageOf(found), component);
}

/** Tries it in the first cluster that is the guard's. @throws ClusterError where none can be asked */
async function tryIn(
  clusters: readonly ProviderCluster[],
  guard: { readonly name: string; readonly uid: string },
): Promise<TrialResult> {
  let refused: ClusterError | undefined;
  for (const cluster of clusters) {
    try {
      const connection = await connectAsProvider(cluster);
      const api = new BreakGlassApi(new ApiClient(connection), connection);
      const result = await tryBreakGlass(api, guard);
      if (result.kind !== "elsewhere") return result;
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      refused ??= error;
    }
  }
  if (refused !== undefined) throw refused;
  return { kind: "elsewhere" };
}

/** Where to look for the cluster of the provider, the likeliest first. */
async function clustersOf(
  component: pulumi.Resource,
  { context, kubeconfig }: BreakGlassTrialArgs,
): Promise<readonly ProviderCluster[]> {
  const given = clusterOf({ kubeconfig, context });
  if (kubeconfig !== undefined || context !== undefined) return [given];
  const provider = component.getProvider("kubernetes:core/v1:Namespace") as unknown as
    Readonly<Record<string, unknown>> | undefined;
  const ofProvider = {
    kubeconfig: await textOf(provider?.["kubeconfig"]),
    context: await textOf(provider?.["context"]),
  };
  const config = new pulumi.Config("kubernetes");
  const ofStack = { kubeconfig: config.get("kubeconfig"), context: config.get("context") };
  return [...(provider === undefined ? [] : [clusterOf(ofProvider)]), clusterOf(ofStack), {}];
}

function clusterOf(found: {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}): ProviderCluster {
  const { kubeconfig, context } = found;
  return { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) };
}

/** A property of a provider: what its resource was given, where that is known to this program. */
async function textOf(property: unknown): Promise<string | undefined> {
  const value = pulumi.Output.isInstance(property) ? await valueOf(property) : property;
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Undefined where the update leaves the resource out (`--target`). */
async function uidOf(resource: pulumi.CustomResource): Promise<string | undefined> {
  if ((await idOf(resource)) === undefined) return undefined;
  const { metadata } = resource as unknown as { readonly metadata: pulumi.Output<{ readonly uid?: string }> };
  return (await valueOf(metadata)).uid;
}

function problemOf(result: TrialResult, guard: string, component: pulumi.Resource): string | undefined {
  switch (result.kind) {
    case "failed":
      return result.problem;
    case "elsewhere":
      return (
        `Whether the cluster ends bypasses could not be tried: ValidatingAdmissionPolicy ${guard} of this stack is not in the cluster ` +
        "that the kubeconfig leads to, or was deleted. Name the cluster in breakGlassTrial.context and breakGlassTrial.kubeconfig."
      );
    case "ended": {
      const seconds = Math.max(1, Math.ceil(result.seconds));
      const text = `Namespace ${result.namespace}: the cluster ended a bypass by itself, ${durationText(seconds)} after its timer.`;
      void pulumi.log.info(text, component);
      return undefined;
    }
    case "known":
      return undefined;
  }
}

function messageOf(problems: readonly string[]): string {
  return [
    "a bypass of break glass would not end by itself, or that could not be found out:",
    ...problems.map((line) => `  ${line}`),
    "  breakGlassTrial.skip: true deploys without this trial; bypasses may then stay open past their end.",
  ].join("\n");
}
