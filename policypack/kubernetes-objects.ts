import type { KubeObject } from "../sdk/reachability/model/objects";
import { isUnknown, unknownValue } from "../sdk/reachability/model/unknown";
import { readProperty, toPlain, toPlainObject } from "./plain-values";

/**
 * Which Kubernetes objects a Pulumi resource stands for.
 *
 * Objects are recognised by their `apiVersion` and `kind`, not by the class of the SDK: `CustomResource` has no type of
 * its own, and generated SDKs have tokens of their own. The token `kubernetes:<apiVersion>:<Kind>` fills in what the
 * properties do not say (they may be empty in a preview).
 */

/** A resource as both phases of a policy see it. */
export interface ResourceLike {
  readonly type: string;
  readonly name: string;
  readonly urn: string;
  readonly props: unknown;
}

/** What a resource turned out to be. */
export type Reading =
  /** Nothing that matters for reachability. */
  | { readonly is: "other" }
  /** Objects whose contents are visible. */
  | { readonly is: "objects"; readonly objects: readonly KubeObject[] }
  /** Something that creates objects which the policy does not get to see. */
  | { readonly is: "opaque"; readonly what: string; readonly release?: HelmRelease }
  /** A change to an object that is defined elsewhere: as long as it is not applied, only that part is visible. */
  | { readonly is: "patch"; readonly object: KubeObject };

/** A Helm release, or a chart rendered by Pulumi: its values are visible, the objects of a release are not. */
export interface HelmRelease {
  readonly kind: "Release" | "Chart";
  readonly chart: unknown;
  readonly version: unknown;
  readonly namespace: unknown;
  readonly values: unknown;
  /** The URL of the chart's repository, where one is given. */
  readonly repository?: unknown;
  /** Whether the repository asks for credentials. Default: false. */
  readonly hasCredentials?: boolean;
  /** Whether values also come from files, which a policy does not see. Default: false. */
  readonly hasValueFiles?: boolean;
}

/**
 * Kinds of the core API groups that no verdict depends on. Copying them would cost time and would put the contents of
 * Secrets into memory for nothing. Everything else goes to the engine, which names what it does not understand.
 */
const irrelevantKinds: ReadonlySet<string> = new Set([
  "Secret",
  "ConfigMap",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "StorageClass",
  "VolumeAttachment",
  "CSIDriver",
  "CSINode",
  "CustomResourceDefinition",
  "Event",
  "Lease",
  "LimitRange",
  "ResourceQuota",
  "PriorityClass",
  "PodDisruptionBudget",
  "HorizontalPodAutoscaler",
  "ControllerRevision",
  "RuntimeClass",
]);

const coreGroup = /^(v1|[a-z]+\/v\d\w*|[a-z.]+\.k8s\.io\/v\d\w*)$/;

/** Reads one resource. Never throws. */
export function readResource(resource: ResourceLike): Reading {
  const token = parseToken(resource.type);
  const props = resource.props;
  const identity = typeof props === "object" && props !== null ? props : {};
  const statedKind = readProperty(identity, "kind");
  const statedVersion = readProperty(identity, "apiVersion");
  const looksLikeObject = typeof statedKind === "string" && typeof statedVersion === "string";
  if (token === undefined && !looksLikeObject) return { is: "other" };
  if (token !== undefined && opaqueTypes.has(resource.type)) return readOpaque(resource);
  if (token !== undefined && !token.isKind) return { is: "other" };

  const isPatch = token?.kind.endsWith("Patch") === true && token.kind !== known(statedKind);
  const kind = known(statedKind) ?? token?.kind.replace(/Patch$/, "") ?? "";
  const apiVersion = known(statedVersion) ?? token?.apiVersion ?? "";
  if (irrelevantKinds.has(kind) && coreGroup.test(apiVersion) && !mayConfigureEnforcer(kind, identity)) {
    return { is: "other" };
  }
  if (token?.kind === "List" || token?.kind === `${kind}List` || /List$/.test(kind)) {
    return { is: "objects", objects: readList(identity, kind.replace(/List$/, ""), apiVersion, resource) };
  }
  // what a patch changes is known by its name alone
  const object = asObject(toPlainObject(props) ?? {}, apiVersion, kind, isPatch ? undefined : resource.name);
  return isPatch ? { is: "patch", object } : { is: "objects", objects: [object] };
}

/**
 * Whether the object of a patch is all of what the API server holds: the provider returns that, once the patch is applied.
 * Before, only the changed part is there.
 */
export function isWhole({ metadata }: KubeObject): boolean {
  const uid: unknown = isUnknown(metadata) ? undefined : metadata?.["uid"];
  return typeof uid === "string" && !isUnknown(uid);
}

/**
 * Whether a resource is not part of the operation (`--target`, `--exclude`): where it is not in the state yet, the engine
 * shows its policies no inputs at all. An object that is registered states its kind at least.
 */
export function isLeftOut({ type, props }: ResourceLike): boolean {
  const token = parseToken(type);
  if (token === undefined || !(token.isKind || opaqueTypes.has(type))) return false;
  return typeof props === "object" && props !== null && Object.keys(props).length === 0;
}

/** The one ConfigMap that decides what policies mean, and those whose name is not known yet. */
function mayConfigureEnforcer(kind: string, props: object): boolean {
  if (kind !== "ConfigMap") return false;
  const metadata = readProperty(props, "metadata");
  if (typeof metadata !== "object" || metadata === null) return false;
  const name = isUnknown(metadata) ? metadata : readProperty(metadata, "name");
  return isUnknown(name) || name === "cilium-config";
}

/** Types that stand for many objects whose contents may be out of sight. Their visible children are resources too. */
const opaqueTypes: ReadonlyMap<string, string> = new Map([
  ["kubernetes:helm.sh/v3:Release", "Helm release"],
  ["kubernetes:helm.sh/v4:Chart", "Helm chart"],
  ["kubernetes:yaml/v2:ConfigGroup", "group of YAML documents"],
  ["kubernetes:yaml/v2:ConfigFile", "YAML file"],
  ["kubernetes:kustomize/v2:Directory", "Kustomize directory"],
]);

function readOpaque(resource: ResourceLike): Reading {
  const what = opaqueTypes.get(resource.type) ?? "component";
  const kind = resource.type === "kubernetes:helm.sh/v3:Release" ? "Release" : "Chart";
  if (kind === "Chart" && resource.type !== "kubernetes:helm.sh/v4:Chart") return { is: "opaque", what };
  const props = toPlainObject(resource.props) ?? {};
  // what a chart is given is not always shown; its objects are resources of their own
  if (kind === "Chart" && props.chart === undefined) return { is: "opaque", what };
  return {
    is: "opaque",
    what,
    release: {
      kind,
      chart: props.chart,
      version: props.version,
      namespace: props.namespace,
      values: props.values ?? {},
      ...(kind === "Release" ? repositoryOf(props) : {}),
    },
  };
}

function repositoryOf(props: Readonly<Record<string, unknown>>): Partial<HelmRelease> {
  const options = props["repositoryOpts"];
  const { repo, ...others } = toPlainObject(options) ?? {};
  const files = props["valueYamlFiles"];
  return {
    ...(isUnknown(options) ? { repository: options } : {}),
    ...(repo === undefined || repo === "" ? {} : { repository: repo }),
    hasCredentials: Object.values(others).some((value) => value !== undefined && value !== ""),
    hasValueFiles: Array.isArray(files) ? files.length > 0 : files !== undefined,
  };
}

interface Token {
  readonly apiVersion: string;
  readonly kind: string;
  /** False for types of the provider that are no API kinds: `pulumi:providers:kubernetes`, functions, components. */
  readonly isKind: boolean;
}

/** `kubernetes:apps/v1:Deployment`; `core/v1` is the API version `v1`. */
function parseToken(type: string): Token | undefined {
  const [pkg, version, kind, ...rest] = typeof type === "string" ? type.split(":") : [];
  if (pkg !== "kubernetes" || version === undefined || kind === undefined || rest.length > 0) return undefined;
  return {
    apiVersion: version.replace(/^core\//, "").replace(/^extensions\/v1beta1$/, "networking.k8s.io/v1"),
    kind,
    isKind: /\/v\d\w*$|^v\d\w*$/.test(version) && !/^(yaml|helm\.sh|kustomize)(\/|$)/.test(version),
  };
}

function readList(list: object, kind: string, apiVersion: string, resource: ResourceLike): KubeObject[] {
  const items = toPlain(readProperty(list, "items"));
  // A list that cannot be read might hold anything; it goes on as one object that the engine does not understand.
  if (!Array.isArray(items)) {
    return [asObject({ items: unknownValue }, apiVersion, kind === "" ? "List" : `${kind}List`, resource.name)];
  }
  return items.map((item: unknown, index) => {
    const plain = toPlainObject(item) ?? { spec: unknownValue };
    return asObject(plain, apiVersion, kind, `${resource.name}[${index}]`);
  });
}

function asObject(
  plain: Record<string, unknown>,
  apiVersion: string,
  kind: string,
  fallbackName: string | undefined,
): KubeObject {
  const nothingKnown = Object.keys(plain).length === 0;
  const metadata: Record<string, unknown> =
    nothingKnown || isUnknown(plain.metadata)
      ? { name: unknownValue, namespace: unknownValue, labels: unknownValue, annotations: unknownValue }
      : { ...toPlainObject(plain.metadata) };
  const statedKind = known(plain.kind) ?? kind;
  return {
    ...(nothingKnown ? { spec: unknownValue } : plain),
    apiVersion: known(plain.apiVersion) ?? apiVersion,
    kind: /^[A-Z][A-Za-z0-9]{0,62}$/.test(statedKind) ? statedKind : "InvalidKind",
    metadata: {
      ...metadata,
      ...(metadata.namespace === undefined ? {} : { namespace: namespaceOf(metadata.namespace) }),
      name: nameOf(metadata.name, kind, fallbackName),
    },
  };
}

/**
 * Names go into messages. A text that is no name of an object (RFC 1123, and the colons of RBAC and CRDs) is refused by
 * the API server; it may be a value that strayed there, so it is not shown.
 */
function isName(value: unknown): value is string {
  return typeof value === "string" && /^[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?$/.test(value) && !isUnknown(value);
}

/** What is no name of a namespace is as good as not known. */
function namespaceOf(namespace: unknown): string {
  // typed as a name because that is where it stands; the engine asks isUnknown before it reads any field
  return isName(namespace) ? namespace : (unknownValue as unknown as string);
}

/** Kinds that others refer to by name, or whose name says what they are for. */
const namedByOthers: ReadonlySet<string> = new Set([
  "ConfigMap",
  "FelixConfiguration",
  "ClusterRole",
  "Tier",
  "CiliumCIDRGroup",
  "Service",
  "GatewayClass",
  "IngressClass",
]);

/**
 * The object's name. One that is not known yet, or that the provider has yet to make up, will begin with the logical
 * name, and for most kinds the name only serves to be shown. A namespace's name is what policies select by, so there
 * it stays unknown; and so it does for kinds that others refer to by name.
 */
function nameOf(name: unknown, kind: string, fallbackName: string | undefined): string {
  if (isName(name)) return name;
  const matters = kind === "Namespace" || (namedByOthers.has(kind) && isUnknown(name));
  return matters || fallbackName === undefined ? (unknownValue as unknown as string) : fallbackName;
}

function known(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}
