import { createHash } from "node:crypto";
import type { PolicyProviderResource } from "@pulumi/policy";
import { holdsUnknown, isUnknown } from "../sdk/reachability/model/unknown";
import { readProperty, toPlain } from "./plain-values";

/**
 * One program may speak to many clusters. Policies of one must not be credited to the pods of another, so every
 * resource belongs to the cluster that its provider names.
 */
export interface ClusterIdentity {
  /** Equal for two providers that certainly reach the same cluster. Holds no credential. */
  readonly key: string;
  /** The provider's logical name, for messages; undefined for the default provider. */
  readonly providerName?: string;
  /** The namespace that the provider gives to objects without one, when it is known. */
  readonly defaultNamespace?: unknown;
}

const defaultProviderPrefix = "default";

/** The cluster of a resource with this provider. A resource without provider information belongs to `default`. */
export function clusterOf(provider: PolicyProviderResource | undefined): ClusterIdentity {
  if (provider === undefined || provider === null) return { key: "default" };
  const urn = textOf(readProperty(provider, "urn"));
  const name = textOf(readProperty(provider, "name"));
  const props = readProperty(provider, "props");
  const read = (key: string): unknown =>
    typeof props === "object" && props !== null ? toPlain(readProperty(props, key)) : undefined;
  const connection = [read("kubeconfig"), read("context"), read("cluster")];
  const providerName = name === "" || name.startsWith(defaultProviderPrefix) ? undefined : name;
  return {
    // An unknown kubeconfig may be any cluster: then only the same provider is the same cluster.
    key: connection.some(holdsUnknown) ? `provider ${urn}` : `connection ${fingerprint(connection)}`,
    ...(providerName === undefined ? {} : { providerName }),
    ...(read("namespace") === undefined ? {} : { defaultNamespace: read("namespace") }),
  };
}

/** A kubeconfig holds credentials; only its digest is kept, and only in memory. */
function fingerprint(connection: readonly unknown[]): string {
  return createHash("sha256")
    .update(JSON.stringify(connection.map((item) => item ?? null)))
    .digest("hex");
}

function textOf(value: unknown): string {
  return typeof value === "string" && !isUnknown(value) ? value : "";
}
