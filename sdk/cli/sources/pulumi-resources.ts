import { isUnknown, shapesPolicies, unknownValue, withPatches } from "../../reachability";
import type { KubeObject, Problem, Source, SourcedObject } from "../../reachability";
import { plainValue, revealed } from "./pulumi-values";
import type { SourceContent } from "./types";

/** A resource as `pulumi stack export` and `pulumi preview --json` write it (apitype.ResourceV3). */
export interface PulumiResource {
  readonly urn: string;
  readonly type: string;
  readonly custom?: boolean;
  readonly delete?: boolean;
  readonly pendingReplacement?: boolean;
  readonly inputs?: unknown;
  readonly outputs?: unknown;
}

const releaseType = "kubernetes:helm.sh/v3:Release";

/**
 * The Kubernetes objects among Pulumi resources. An object is known by its `apiVersion` and `kind`, whatever SDK made it
 * (a CustomResource, crd2pulumi, a parameterised package); where inputs lack them, by its type token.
 */
export function objectsOfResources(
  resources: readonly PulumiResource[],
  file: string | undefined,
  prefer: "inputs" | "outputs",
): SourceContent {
  const objects: SourcedObject[] = [];
  const patches: SourcedObject[] = [];
  const problems: Problem[] = [];
  for (const resource of resources) {
    if (resource.custom === false || resource.pendingReplacement === true) continue;
    const source: Source = { urn: resource.urn, ...(file === undefined ? {} : { file }) };
    if (resource.type === releaseType) {
      const release = releaseOf(resource);
      objects.push({ object: release, source });
      problems.push(...problemsOfRelease(resource, source));
      continue;
    }
    const object = objectOf(resource, prefer);
    if (object === undefined) {
      if (/^kubernetes:[^:]+:[A-Z]/.test(resource.type) && !resource.type.startsWith("kubernetes:yaml")) {
        problems.push({
          code: "unreadable",
          message: `the resource ${nameOf(resource.urn)} has neither inputs nor outputs that are a Kubernetes object`,
          source,
          // A pod that is not there adds no path; a policy that is not there may close or open one.
          affectsVerdicts: isPolicyToken(resource.type),
        });
      }
      continue;
    }
    (isPatch(resource, object) ? patches : objects).push({ object, source });
  }
  const patched = withPatches(objects, patches);
  const outside = patched.unmatched.map((patch) => ({ patch, problem: outsidePatch(patch) }));
  problems.push(...outside.flatMap(({ problem }) => problem ?? []));
  const standing = outside.flatMap(({ patch, problem }) => (problem === undefined ? patch : []));
  return { objects: [...patched.objects, ...standing], problems, notes: [] };
}

/** In a state the outputs say what the cluster made of the inputs; in a preview only the inputs are of the new state. */
function objectOf(resource: PulumiResource, prefer: "inputs" | "outputs"): KubeObject | undefined {
  const { inputs, outputs } = resource;
  const [asked, made] = [plainValue(inputs), plainValue(outputs)];
  for (const plain of prefer === "inputs" ? [asked, made] : [revealed(made, asked), asked]) {
    if (typeof plain !== "object" || plain === null || isUnknown(plain)) continue;
    const record = plain as Record<string, unknown>;
    if (Object.keys(record).length === 0) continue;
    const token = kindOfToken(resource.type);
    const apiVersion = typeof record["apiVersion"] === "string" ? record["apiVersion"] : token?.apiVersion;
    const kind = typeof record["kind"] === "string" ? record["kind"] : token?.kind;
    if (apiVersion !== undefined && kind !== undefined) return { ...record, apiVersion, kind };
  }
  return undefined;
}

/** `kubernetes:core/v1:NamespacePatch`; not a kind whose own name ends so. */
function isPatch({ type }: PulumiResource, { kind }: KubeObject): boolean {
  return type.endsWith(`:${kind}Patch`);
}

/** `kubernetes:core/v1:Pod` → v1 Pod; `kubernetes:cilium.io/v2:CiliumNetworkPolicy`. */
function kindOfToken(type: string): { apiVersion: string; kind: string } | undefined {
  const match = /^kubernetes:([^:]+):([A-Z][A-Za-z0-9]*?)(Patch)?$/.exec(type);
  if (match === null || match[1] === undefined || match[2] === undefined) return undefined;
  return { apiVersion: match[1].replace(/^core\//, ""), kind: match[2] };
}

/** A Helm release as an object of its own kind: chart, version and values, from which the enforcer may be known. */
function releaseOf(resource: PulumiResource): KubeObject {
  const inputs = plainValue(resource.inputs);
  const record = typeof inputs === "object" && inputs !== null ? (inputs as Record<string, unknown>) : {};
  const name = typeof record["name"] === "string" ? record["name"] : nameOf(resource.urn);
  const namespace = typeof record["namespace"] === "string" ? record["namespace"] : undefined;
  const { chart, version, values } = record;
  return {
    apiVersion: "helm.sh/v3",
    kind: "Release",
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    spec: { chart, version, values },
  };
}

function isPolicyToken(type: string): boolean {
  const token = kindOfToken(type);
  return token !== undefined && shapesPolicies(token.apiVersion, token.kind);
}

/** A key of a release's `resourceNames`: `NetworkPolicy.networking.k8s.io/networking.k8s.io/v1`. */
function isPolicyKey(key: string): boolean {
  const slash = key.indexOf("/");
  const [kind = ""] = key.split(/[./]/, 1);
  return shapesPolicies(key.slice(slash + 1), kind);
}

/** A state does not hold what a release installed, only the names (not even these in a preview). */
function problemsOfRelease(resource: PulumiResource, source: Source): Problem[] {
  const outputs = plainValue(resource.outputs);
  const names =
    typeof outputs === "object" && outputs !== null
      ? (outputs as Record<string, unknown>)["resourceNames"]
      : unknownValue;
  const known = typeof names === "object" && names !== null && !isUnknown(names);
  const release = nameOf(resource.urn);
  const problem = (message: string, affectsVerdicts: boolean): Problem => ({
    code: "unsupported",
    message,
    source,
    path: "resourceNames",
    affectsVerdicts,
  });
  if (!known) {
    return [
      problem(`what the Helm release "${release}" will install is not known yet; it is judged without it`, false),
    ];
  }
  const policies = Object.keys(names).filter(isPolicyKey);
  if (policies.length === 0) return [];
  return [
    problem(
      `the Helm release "${release}" installed policies that the state does not hold (${policies.join(", ")}): read the cluster (--context), or add the chart's rendered YAML`,
      true,
    ),
  ];
}

/** The last part of a URN. */
function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf("::") + 2);
}

/**
 * What a patch of no object among these stands for. The provider returns all of the object once the patch is applied;
 * before, the patch of a Namespace says which labels it has, and that of a policy what nobody can judge.
 */
function outsidePatch({ object, source }: SourcedObject): Problem | undefined {
  const { apiVersion, kind, metadata } = object;
  if (typeof metadata?.["uid"] === "string" || !shapesPolicies(apiVersion, kind)) return undefined;
  return {
    code: "unsupported",
    message: `${kind}Patch ${nameOf(source?.urn ?? "")} changes a ${kind} that is defined elsewhere: read the cluster too (--context), or add the object`,
    ...(source === undefined ? {} : { source }),
    affectsVerdicts: true,
  };
}
