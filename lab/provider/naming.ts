/** Names that the provider gives: objects without a name, and the field managers of server-side apply. */
import { createHash, randomBytes } from "node:crypto";
import { annotationIsTrue, annotations, nameOf } from "./objects";
import { editMap, hasUnknown, isMap, Secret, unwrapMap, type Property, type PropertyMap } from "./properties";

/** How the user wants names to be made (Pulumi's `autonaming` configuration). */
export interface Autonaming {
  proposedName: string;
  mode: "propose" | "enforce" | "disable";
}

export class NamingError extends Error {}

/**
 * A name that is new: the resource's name, a dash and eight hexadecimal digits. The engine's seed makes preview and
 * update agree; without one the digits are random.
 */
export function autoname(resourceName: string, seed: Uint8Array): string {
  const digits =
    seed.length > 0
      ? createHash("sha256").update(seed).update("\0").update(resourceName).digest("hex")
      : randomBytes(4).toString("hex");
  return `${resourceName}-${digits.slice(0, 8)}`;
}

/**
 * The field manager of a resource: the same at every call for the same resource, so that an update that was cut off
 * between the API server's answer and the saving of the state recognizes its own object; different for every
 * resource, so that a second resource of the same object meets a conflict instead of taking fields away.
 */
export function fieldManagerFor(urn: string): string {
  return `pulumi-kubernetes-${createHash("sha256").update(urn).digest("hex").slice(0, 8)}`;
}

function metadataMap(inputs: PropertyMap): PropertyMap | undefined {
  const value = inputs["metadata"];
  const inner = value instanceof Secret ? value.value : value;
  if (inner === undefined || inner === null) return {};
  return isMap(inner) ? (inner as PropertyMap) : undefined;
}

function hasName(inputs: PropertyMap): boolean {
  const metadata = metadataMap(inputs);
  // metadata that is wholly unknown may hold a name; naming the object now would be wrong
  if (!metadata) return true;
  const name = metadata["name"];
  return name !== undefined && name !== null && name !== "";
}

function withAutoname(inputs: PropertyMap, name: Property): PropertyMap {
  const metadata = editMap(inputs["metadata"], (map) => ({
    ...map,
    name,
    annotations: editMap(map["annotations"], (all) => ({ ...all, [annotations.autonamed]: "true" })),
  }));
  return { ...inputs, metadata };
}

/**
 * Gives an object without a name the name it had before when that was given automatically, else a new one.
 * Throws {@link NamingError} where Pulumi's autonaming is disabled.
 */
export function nameObject(
  inputs: PropertyMap,
  oldInputs: PropertyMap | undefined,
  resourceName: string,
  seed: Uint8Array,
  autonaming?: Autonaming,
): PropertyMap {
  if (hasName(inputs)) return inputs;
  if (oldInputs && Object.keys(oldInputs).length > 0) {
    const old = unwrapMap(oldInputs);
    // an object that was named in the program and lost its name is replaced: Diff sees the missing name
    if (!annotationIsTrue(old, annotations.autonamed) || hasUnknown(oldInputs["metadata"] ?? null)) return inputs;
    return withAutoname(inputs, nameOf(old));
  }
  if (autonaming?.mode === "disable") {
    throw new NamingError("autonaming is disabled: metadata.name must be set");
  }
  if (autonaming && autonaming.proposedName !== "") return withAutoname(inputs, autonaming.proposedName);
  return withAutoname(inputs, autoname(resourceName, seed));
}
