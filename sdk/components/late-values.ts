/**
 * Outputs as values of a declaration.
 *
 * A plan is made at once, in a constructor, so that its resources are registered there and `dependsOn: [component]` waits
 * for them. Outputs are known later. So a declaration with outputs is planned with stand-ins for them, which gives names,
 * kinds and order, and planned again with the values, which gives what is registered:
 *
 * - in an update nothing that opens anything is registered before every value is known and was checked;
 * - in a preview only what an unknown value decides is unknown: it is where two plans with different stand-ins differ.
 *
 * What a value decides is secret where the value is, and depends on the resources that the value comes from.
 */
import type { PropertyPath } from "../property-path";
import { formatPath } from "../property-path";
import { isDeepStrictEqual } from "node:util";
import * as pulumi from "@pulumi/pulumi";
import { rpcKeepAlive } from "@pulumi/pulumi/runtime/settings";
import type { Variant } from "../plan/deferred";
import { Deferred } from "../plan/deferred";
import type { Plan } from "../plan/index";
import { DeclarationError } from "../plan/index";
import { isRealEngine } from "./engine";
import { readArguments } from "./errors";
import { refuse, unlessRefused } from "./refusal";

/** An output in a declaration. */
interface LateValue {
  readonly path: PropertyPath;
  readonly output: pulumi.Output<unknown>;
  /** What stood in for it, as text. */
  readonly standIns: Set<string>;
}

/** What is registered, field by field: values of the plan, or outputs where they decide. */
export type Late<T> = { [Key in keyof T]: pulumi.Input<Exclude<T[Key], undefined>> };

/** A declaration that was planned with stand-ins. */
interface LatePlan {
  readonly values: readonly LateValue[];
  readonly first: Plan;
  /** With other stand-ins; undefined where they cannot be planned: everything may depend on the values then. */
  readonly second: Plan | undefined;
  /** With the values, as far as they are known: in an update, all of them. Rejects where one is refused. */
  readonly checked: Promise<Plan>;
  /** The same for what is registered. */
  readonly final: Promise<Plan>;
}

const latePlans = new WeakMap<Plan, LatePlan>();

/**
 * Reads a component's arguments and plans them. Outputs among them are values of the plan: {@link lateFields} of the plan
 * gives what to register.
 *
 * @param read Reads the declaration; runs once more for each set of stand-ins, and with the values.
 * @param planOf The plan in what was read.
 * @param pathOf Where the component has what the planner calls by another path. Defaults to the same path.
 * @throws What {@link readArguments} throws, for whatever is wrong with every value of the outputs.
 */
export function readDeclaration<Declared extends object, Read>(
  declared: Declared,
  read: (declared: Declared) => Read,
  planOf: (read: Read) => Plan,
  pathOf?: (path: PropertyPath) => PropertyPath,
): Read {
  const values = [...outputsIn(declared, [])];
  if (values.length === 0) return readArguments(() => read(declared), pathOf);
  const standingIn = (variant: Variant): Read => read(replaced(declared, (index) => unknownAt(values, index, variant)));
  const first = readArguments(() => standingIn("first"), pathOf);
  const checked = settled(values, (known) =>
    planOf(
      readArguments(() => {
        try {
          return read(replaced(declared, known));
        } catch (error) {
          if (!(error instanceof DeclarationError)) throw error;
          throw new DeclarationError(error.problems, "no policy was registered");
        }
      }, pathOf),
    ),
  )
    .then((plan) => sameShape(planOf(first), plan, values))
    .catch((error: unknown) => {
      throw error instanceof Error ? withFixedMessage(error) : error;
    });
  latePlans.set(planOf(first), {
    values,
    first: planOf(first),
    second: attempted(() => planOf(standingIn("second"))),
    checked,
    final: unlessRefused(checked),
  });
  return first;
}

/** The same of a declaration that is planned and nothing else. */
export function readPlan<Declared extends object>(
  declared: Declared,
  read: (declared: Declared) => Plan,
  pathOf?: (path: PropertyPath) => PropertyPath,
): Plan {
  return readDeclaration(declared, read, (plan) => plan, pathOf);
}

/**
 * Has the engine refuse the operation where a value of the plan is refused, or where an output failed. In a preview, too: a
 * value that is known there is wrong there.
 *
 * @param component Whose declaration it is.
 */
export function refuseWrongValues(name: string, plan: Plan, component: pulumi.Resource): void {
  const late = latePlans.get(plan);
  if (late === undefined || !isRealEngine()) return;
  const settled = rpcKeepAlive();
  late.checked.then(settled, (error: unknown) => {
    // where an output failed, so did the registration of the component, whose inputs it is among
    void refuse(`${name}-values`, messageOf(error), error instanceof DeclarationError ? component : undefined);
  });
}

/** Every problem: the engine gives a program in another language nothing but the message here. */
function messageOf(error: unknown): string {
  if (error instanceof DeclarationError) return new DeclarationError(error.problems, error.outcome).message;
  return error instanceof Error ? error.message : String(error);
}

/** Whether a plan has values that come from outputs. */
export function isLate(plan: Plan): boolean {
  return latePlans.has(plan);
}

/** The plan with the values of its outputs. In a preview, values that are not known yet have stand-ins. */
export async function finalPlan(plan: Plan): Promise<Plan> {
  return (await latePlans.get(plan)?.final) ?? plan;
}

/**
 * What to register of a plan, field by field: as it is where no value decides it, and outputs where values do.
 *
 * @param opensNothing What is read opens nothing: it need not wait for the values where none of them decides it. Defaults
 *   to false: in an update it is registered after all values are known and were checked.
 */
export function lateFields<T extends object>(plan: Plan, read: (plan: Plan) => T, opensNothing = false): Late<T> {
  const late = latePlans.get(plan);
  const fields = read(plan);
  if (late === undefined) return fields as unknown as Late<T>;
  const other = late.second === undefined ? undefined : read(late.second);
  const keys = Object.keys(fields) as (keyof T)[];
  const entries = keys.map((key) => {
    const of = (one: Plan): unknown => read(one)[key];
    return [key, lateField(late, fields[key], other?.[key], of, opensNothing)];
  });
  return Object.fromEntries(entries) as Late<T>;
}

function lateField(
  late: LatePlan,
  first: unknown,
  second: unknown,
  read: (plan: Plan) => unknown,
  opensNothing: boolean,
): unknown {
  if (pulumi.runtime.isDryRun()) return template(late, first, second, read);
  const sources = sourcesOf(late, first, second);
  return sources.length === 0 && opensNothing ? first : fromFinal(late, sources, read);
}

/** The same shape, with outputs where the two differ. */
function template(late: LatePlan, first: unknown, second: unknown, read: (plan: Plan) => unknown): unknown {
  if (isDeepStrictEqual(first, second)) return first;
  if (Array.isArray(first) && Array.isArray(second) && first.length === second.length && first.some(holdsLists)) {
    return first.map((item: unknown, index) =>
      template(late, item, second[index], (plan) => itemOf(read(plan), index)),
    );
  }
  if (isMap(first) && isMap(second) && isDeepStrictEqual(Object.keys(first), Object.keys(second))) {
    const entries = Object.entries(first).map(([key, value]) => [
      key,
      template(late, value, second[key], (plan) => itemOf(read(plan), key)),
    ]);
    return Object.fromEntries(entries);
  }
  return fromFinal(late, sourcesOf(late, first, second), read);
}

/** Rules hold lists and keep their places; the lists in them may be sorted by value, and are known as a whole or not. */
function holdsLists(item: unknown): boolean {
  return isMap(item) && Object.values(item).some((value) => Array.isArray(value) || holdsLists(value));
}

function fromFinal({ final }: LatePlan, sources: readonly LateValue[], read: (plan: Plan) => unknown): unknown {
  return pulumi.all(sources.map(({ output }) => output)).apply(async () => read(await final));
}

/** The values that decide what differs; all of them where nothing tells which. */
function sourcesOf({ values }: LatePlan, first: unknown, second: unknown): readonly LateValue[] {
  const texts = [...differences(first, second)];
  if (texts.length === 0) return [];
  const found = values.filter(({ standIns }) => texts.some((text) => [...standIns].some((one) => text.includes(one))));
  return texts.every((text) => found.some(({ standIns }) => [...standIns].some((one) => text.includes(one))))
    ? found
    : values;
}

/** Every part in which two values differ, as text. */
function* differences(first: unknown, second: unknown): Iterable<string> {
  if (isDeepStrictEqual(first, second)) return;
  if (Array.isArray(first) && Array.isArray(second) && first.length === second.length) {
    for (const [index, item] of first.entries()) yield* differences(item, second[index]);
  } else if (isMap(first) && isMap(second) && isDeepStrictEqual(Object.keys(first), Object.keys(second))) {
    for (const [key, value] of Object.entries(first)) yield* differences(value, second[key]);
  } else {
    yield `${JSON.stringify(first)} ${JSON.stringify(second)}`;
  }
}

/** Plans once every output has said whether it is known. */
async function settled(
  values: readonly LateValue[],
  plan: (known: (index: number) => Deferred) => Plan,
): Promise<Plan> {
  const states = await Promise.all(
    values.map(async ({ path, output }, index) => {
      const known: pulumi.Output<unknown> & { isKnown?: Promise<boolean> } = output;
      if ((await known.isKnown) === false) return unknownAt(values, index, "first");
      return Deferred.known(path, await new Promise((resolve) => output.apply(resolve)));
    }),
  );
  return plan((index) => states[index] as Deferred);
}

/** Names, kinds and order were registered before the values were known. */
function sameShape(first: Plan, final: Plan, values: readonly LateValue[]): Plan {
  const namesOf = ({ documents }: Plan): readonly string[] => documents.map(({ logicalName }) => logicalName);
  const [planned, wanted] = [new Set(namesOf(first)), new Set(namesOf(final))];
  const changed = [
    ...[...planned].filter((name) => !wanted.has(name)),
    ...[...wanted].filter((name) => !planned.has(name)),
  ];
  if (changed.length === 0) return final;
  const paths = values.map(({ path }) => formatPath(path)).join(", ");
  throw new pulumi.RunError(
    `The outputs at ${paths} change which policies there are (${changed.slice(0, 5).join(", ")}), which has to be known in ` +
      "preview. Give the value as a literal, or as one that the policy API can express.",
  );
}

/**
 * Pulumi writes into the message of an error each property and each resource on its way. One error refuses every policy
 * here, and says what is wrong with the declaration, not which policy came first.
 */
function withFixedMessage(error: Error): Error {
  const { message } = error;
  return Object.defineProperty(error, "message", { get: () => message, set: () => undefined });
}

function unknownAt(values: readonly LateValue[], index: number, variant: Variant): Deferred {
  const { path, standIns } = values[index] as LateValue;
  return Deferred.unknown(path, index, variant, standIns);
}

function* outputsIn(value: unknown, path: PropertyPath): Iterable<LateValue> {
  if (isOutput(value)) {
    yield { path, output: pulumi.output(value), standIns: new Set() };
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* outputsIn(item, [...path, index]);
  } else if (isMap(value)) {
    for (const [key, item] of Object.entries(value)) yield* outputsIn(item, [...path, key]);
  }
}

/** A copy with something else in the place of each output, in the order of {@link outputsIn}. */
function replaced<T>(declared: T, make: (index: number) => Deferred): T {
  let count = 0;
  const copy = (value: unknown): unknown => {
    if (isOutput(value)) {
      count += 1;
      return make(count - 1);
    }
    if (Array.isArray(value)) return value.map(copy);
    if (isMap(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copy(item)]));
    return value;
  };
  return copy(declared) as T;
}

function isOutput(value: unknown): value is pulumi.Output<unknown> | Promise<unknown> {
  return pulumi.Output.isInstance(value) || value instanceof Promise;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function itemOf(value: unknown, key: string | number): unknown {
  return (value as Readonly<Record<string | number, unknown>> | undefined)?.[key];
}

function attempted(plan: () => Plan): Plan | undefined {
  try {
    return plan();
  } catch (error) {
    if (error instanceof DeclarationError) return undefined;
    throw error;
  }
}
