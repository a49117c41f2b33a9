/** Reading Services, Ingresses and Gateway API objects without trusting their shape. */
import type { ObjectRef, SourcedObject } from "../../model/objects";
import { isUnknown } from "../../model/unknown";
import { listOf, mapOf, type Fields } from "../../model/plain";

/** The maps of a list. */
export function mapsOf(value: unknown): readonly Fields[] {
  return listOf(value).map(mapOf);
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" && !isUnknown(value) && value !== "" ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) ? value : undefined;
}

export function refOf({ object }: SourcedObject): ObjectRef & { readonly namespace: string } {
  const { namespace, name } = object.metadata ?? {};
  return {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name: textOf(name) ?? "(unknown)",
    namespace: textOf(namespace) ?? "default",
  };
}

/** The API group of an object; empty for the core group. */
export function groupOf({ object }: SourcedObject): string {
  const slash = object.apiVersion.indexOf("/");
  return slash < 0 ? "" : object.apiVersion.slice(0, slash);
}

/** The version-independent group of the Gateway API. */
export const gatewayGroup = "gateway.networking.k8s.io";
