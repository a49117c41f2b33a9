/**
 * What is kept in the state of a resource: the live object, and beside it what the provider needs the next time. The
 * names are those of the released provider, so a stack can go from one to the other; `__rewrites` is ours alone.
 */
import { findRewrites, type Rewrite } from "./diff";
import {
  isSecretObject,
  toKubernetesKeys,
  toPulumiKeys,
  withEncodedData,
  annotations,
  annotationOf,
  type KubeObject,
} from "./objects";
import { ownedFields } from "./ownership";
import {
  editMap,
  hasSecret,
  isMap,
  isPlainMap,
  markSecrets,
  Secret,
  unwrap,
  unwrapMap,
  type Plain,
  type PlainMap,
  type Property,
  type PropertyMap,
} from "./properties";

const own = {
  inputs: "__inputs",
  initialApiVersion: "__initialApiVersion",
  fieldManager: "__fieldManager",
  rewrites: "__rewrites",
  imported: "__imported",
} as const;

export interface State {
  /** The live object, real keys, secrets unwrapped. */
  live: PlainMap;
  inputs: PropertyMap;
  initialApiVersion: string | undefined;
  fieldManager: string | undefined;
  rewrites: Rewrite[];
  /** Read from the cluster without a program's inputs; no update has happened since. */
  imported: boolean;
}

function mapOf(value: Property | undefined): PropertyMap {
  const inner = value instanceof Secret ? value.value : value;
  return isMap(inner) ? (inner as PropertyMap) : {};
}

function textOf(value: Property | undefined): string | undefined {
  const plain = value === undefined ? undefined : unwrap(value);
  return typeof plain === "string" && plain !== "" ? plain : undefined;
}

export function readState(outputs: PropertyMap): State {
  const names: readonly string[] = Object.values(own);
  const live = Object.fromEntries(Object.entries(outputs).filter(([key]) => !names.includes(key)));
  return {
    live: toKubernetesKeys(unwrapMap(live)),
    inputs: mapOf(outputs[own.inputs]),
    initialApiVersion: textOf(outputs[own.initialApiVersion]),
    fieldManager: textOf(outputs[own.fieldManager]),
    rewrites: readRewrites(outputs[own.rewrites]),
    imported: outputs[own.imported] === true,
  };
}

function readRewrites(value: Property | undefined): Rewrite[] {
  const list = value === undefined ? [] : unwrap(value);
  if (!Array.isArray(list)) return [];
  return list.filter(isPlainMap).flatMap((item) => {
    const path = item["path"];
    if (!Array.isArray(path)) return [];
    const parts = path.filter((part): part is string | number => typeof part === "string" || typeof part === "number");
    return [{ path: parts, ...("value" in item ? { value: item["value"] as Plain } : {}) }];
  });
}

/** The live object with everything marked secret that is secret in the inputs it was made from. */
function markedLive(live: PlainMap, inputs: PropertyMap): PropertyMap {
  const marked = markSecrets(live as PropertyMap, inputs) as PropertyMap;
  if (!isSecretObject(live)) return marked;
  const stringData = inputs["stringData"];
  if (stringData !== undefined && marked["data"] !== undefined) {
    marked["data"] = markSecrets(marked["data"], stringData);
  }
  if (annotationOf(live, annotations.lastApplied) === undefined) return marked;
  // kubectl repeats the whole Secret in an annotation
  const hide = (all: PropertyMap): PropertyMap => ({
    ...all,
    [annotations.lastApplied]: new Secret(all[annotations.lastApplied] ?? null),
  });
  marked["metadata"] = editMap(marked["metadata"], (metadata) => ({
    ...metadata,
    annotations: editMap(metadata["annotations"], hide),
  }));
  return marked;
}

export interface NewState {
  live: KubeObject;
  inputs: PropertyMap;
  fieldManager: string;
  initialApiVersion: string;
  rewrites: readonly Rewrite[];
  imported?: boolean;
}

export function writeState(state: NewState): PropertyMap {
  const rewrites = state.rewrites.map(({ path, value }) => ({
    path: [...path],
    ...(value === undefined ? {} : { value }),
  })) as unknown as Property;
  return {
    ...markedLive(toPulumiKeys(state.live), state.inputs),
    [own.inputs]: state.inputs,
    [own.initialApiVersion]: state.initialApiVersion,
    [own.fieldManager]: state.fieldManager,
    ...(state.rewrites.length > 0 ? { [own.rewrites]: hasSecret(state.inputs) ? new Secret(rewrites) : rewrites } : {}),
    ...(state.imported ? { [own.imported]: true } : {}),
  };
}

/** The inputs as they are compared with a live object: real keys, a Secret's data encoded. */
export function comparable(inputs: PropertyMap): PlainMap {
  return withEncodedData(toKubernetesKeys(unwrapMap(inputs)));
}

export function rewritesOf(inputs: PropertyMap, answer: KubeObject): Rewrite[] {
  return findRewrites(comparable(inputs), answer, ownedFields(answer));
}
