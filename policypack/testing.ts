/**
 * Runs policies the way the Pulumi engine does, without an engine: resources as proxies that throw on values which are
 * not known yet, secrets in the clear, component parents, properties that are missing in a preview, stack resources in
 * random order. For tests of this pack and of packs that embed it.
 *
 * What the engine does was read in pulumi/pulumi (pkg/resource/deploy, sdk plugin) and pulumi-policy (sdk/nodejs); the
 * tests of this package compare the harness with the real process.
 */
import type {
  EnforcementLevel,
  Policies,
  PolicyProviderResource,
  PolicyResource,
  PolicyResourceOptions,
  ResourceValidationPolicy,
  Severity,
  StackValidationPolicy,
} from "@pulumi/policy";
import { unknownCheckingProxy } from "@pulumi/policy";
import * as pulumi from "@pulumi/pulumi";

/** The engine's marks for values that are not known yet (pulumi/pulumi sdk/go/common/resource/plugin/rpc.go). */
export const unknown = Object.freeze({
  boolean: "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
  number: "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
  string: "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
  array: "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
  object: "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
});

/** A resource of a test. */
export interface TestResource {
  /** `kubernetes:networking.k8s.io/v1:NetworkPolicy`. */
  readonly type: string;
  readonly name: string;
  /** Inputs, with {@link unknown} marks where values are not known, and secrets in the clear as policies get them. */
  readonly props: Record<string, unknown>;
  /** What the stack phase sees. Default: the inputs. `{}` is what a preview shows while the provider is not configured. */
  readonly outputs?: Record<string, unknown>;
  /**
   * Whether `--target` or `--exclude` leave it out of the operation, and it is not there yet: the engine shows it without
   * properties, at its registration and at the end. Default: false.
   */
  readonly isLeftOut?: boolean;
  /** URN of the parent; default: the stack. */
  readonly parent?: string;
  /** URNs. */
  readonly dependencies?: readonly string[];
  /** URNs of the resources whose values a property takes, by property. */
  readonly propertyDependencies?: Readonly<Record<string, readonly string[]>>;
  readonly provider?: { readonly name: string; readonly props: Record<string, unknown> };
}

/** A violation as the engine would show it. */
export interface TestViolation {
  readonly phase: "resource" | "stack";
  readonly policy: string;
  readonly level: EnforcementLevel;
  readonly severity?: Severity;
  readonly message: string;
  readonly urn: string;
}

/** What one operation did. */
export interface TestRun {
  readonly violations: readonly TestViolation[];
  /** The resources with what remediations made of them, up to the one that an update was stopped at. */
  readonly registered: readonly TestResource[];
  /** Whether the engine would fail the operation. */
  readonly failed: boolean;
  /** The URN at whose registration an update was stopped. */
  readonly stoppedAt?: string;
}

/** How policies are run in a test. Default: a preview of stack `dev` without configuration. */
export interface TestRunOptions {
  /** Default: `preview`. */
  readonly operation?: "preview" | "update";
  /** Configuration by policy name, as in `--policy-pack-config`. */
  readonly config?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly stackName?: string;
  readonly projectName?: string;
  /** Puts the resources of the stack phase into another order. Default: reversed. */
  readonly shuffle?: <T>(items: readonly T[]) => T[];
}

/** The URN that a resource of a test has. */
export function urnOf(resource: Pick<TestResource, "type" | "name">, options: TestRunOptions = {}): string {
  return `urn:pulumi:${options.stackName ?? "test"}::${options.projectName ?? "project"}::${resource.type}::${resource.name}`;
}

/** The switch behind `pulumi.runtime.isDryRun()`; its documentation names it for tests, its declaration leaves it out. */
const runtime = pulumi.runtime as typeof pulumi.runtime & { _setIsDryRun(preview: boolean): void };

/**
 * Registers the resources one after the other, as the engine would: each goes through the resource policies; in an
 * update a mandatory violation stops everything there. Then the stack policies see the whole.
 *
 * For the time of the call `pulumi.runtime.isDryRun()` says whether it is a preview.
 */
export async function runPolicies(
  policies: Policies,
  resources: readonly TestResource[],
  options: TestRunOptions = {},
): Promise<TestRun> {
  const preview = (options.operation ?? "preview") === "preview";
  const before = runtime.isDryRun();
  runtime._setIsDryRun(preview);
  try {
    return await run(policies, resources, options, preview);
  } finally {
    runtime._setIsDryRun(before);
  }
}

async function run(
  policies: Policies,
  resources: readonly TestResource[],
  options: TestRunOptions,
  preview: boolean,
): Promise<TestRun> {
  const violations: TestViolation[] = [];
  const registered: TestResource[] = [];
  const stopped = (urn: string): TestRun => ({ violations, registered, failed: true, stoppedAt: urn });
  for (const stated of resources) {
    const given = stated.isLeftOut === true ? { ...stated, props: {} } : stated;
    const urn = urnOf(given, options);
    const resource = await remediate(policies.filter(isResourcePolicy), given, urn, options);
    registered.push(resource);
    for (const policy of policies.filter(isResourcePolicy)) {
      const found = await validateResource(policy, resource, urn, options);
      violations.push(...found);
      if (!preview && found.some((violation) => violation.level === "mandatory")) return stopped(urn);
    }
  }
  const shuffle = options.shuffle ?? (<T>(items: readonly T[]) => [...items].reverse());
  for (const policy of policies.filter(isStackPolicy)) {
    violations.push(...(await validateStack(policy, shuffle(registered), options)));
  }
  return { violations, registered, failed: violations.some((violation) => violation.level === "mandatory") };
}

function isResourcePolicy(policy: Policies[number]): policy is ResourceValidationPolicy {
  return "validateResource" in policy;
}

function isStackPolicy(policy: Policies[number]): policy is StackValidationPolicy {
  return "validateStack" in policy;
}

/** What policies of the level `remediate` make of a resource; the stack phase sees the same, where it sees the inputs. */
async function remediate(
  policies: readonly ResourceValidationPolicy[],
  resource: TestResource,
  urn: string,
  options: TestRunOptions,
): Promise<TestResource> {
  let props = resource.props;
  for (const policy of policies) {
    if (levelOf(policy, options) !== "remediate" || policy.remediateResource === undefined) continue;
    const args = argumentsOf(policy, resource, urn, props, options);
    const result = await policy.remediateResource(args);
    // as the engine gets it: without the proxies
    if (result !== undefined) props = plainOf(result) as Record<string, unknown>;
  }
  return props === resource.props ? resource : { ...resource, props };
}

/** What the SDK sends back to the engine of an object of proxies. */
function plainOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const target = (value as { __getSpecialProxyTarget?: unknown }).__getSpecialProxyTarget;
  return structuredClone(target ?? value);
}

/** What a resource policy gets. */
function argumentsOf(
  policy: ResourceValidationPolicy,
  resource: TestResource,
  urn: string,
  props: Record<string, unknown>,
  options: TestRunOptions,
) {
  return {
    ...common(resource, urn, props, options),
    stackTags: new Map<string, string>(),
    getConfig: <T extends object>() => (options.config?.[policy.name] ?? {}) as T,
    notApplicable: () => {
      throw new Error("not applicable");
    },
  };
}

async function validateResource(
  policy: ResourceValidationPolicy,
  resource: TestResource,
  urn: string,
  options: TestRunOptions,
): Promise<TestViolation[]> {
  const level = levelOf(policy, options);
  if (level === "disabled" || policy.validateResource === undefined) return [];
  const violations: TestViolation[] = [];
  const validations = Array.isArray(policy.validateResource) ? policy.validateResource : [policy.validateResource];
  for (const validate of validations) {
    await validate(
      argumentsOf(policy, resource, urn, resource.props, options),
      collect(violations, "resource", policy, level, urn),
    );
  }
  // the engine shows a violation of a resource policy at that resource, whatever the policy says
  return violations.map((violation) => ({ ...violation, urn }));
}

async function validateStack(
  policy: StackValidationPolicy,
  resources: readonly TestResource[],
  options: TestRunOptions,
): Promise<TestViolation[]> {
  const level = levelOf(policy, options);
  if (level === "disabled") return [];
  const observed = new Map<string, PolicyResource>();
  const rootUrn = urnOf({ type: "pulumi:pulumi:Stack", name: `${options.projectName ?? "project"}-test` }, options);
  for (const resource of [{ type: "pulumi:pulumi:Stack", name: "project-test", props: {} }, ...resources]) {
    const urn = resource.type === "pulumi:pulumi:Stack" ? rootUrn : urnOf(resource, options);
    const props = ("outputs" in resource ? resource.outputs : undefined) ?? resource.props;
    observed.set(urn, { ...common(resource, urn, props, options), dependencies: [], propertyDependencies: {} });
  }
  for (const resource of resources) {
    const item = observed.get(urnOf(resource, options));
    const parent = observed.get(resource.parent ?? rootUrn);
    if (item === undefined) continue;
    if (parent !== undefined) item.parent = parent;
    item.dependencies = (resource.dependencies ?? []).flatMap((urn) => observed.get(urn) ?? []);
    item.propertyDependencies = Object.fromEntries(
      Object.entries(resource.propertyDependencies ?? {}).map(([key, urns]) => [
        key,
        urns.flatMap((urn) => observed.get(urn) ?? []),
      ]),
    );
  }
  const violations: TestViolation[] = [];
  await policy.validateStack(
    {
      resources: [...observed.values()],
      stackTags: new Map(),
      getConfig: <T extends object>() => (options.config?.[policy.name] ?? {}) as T,
      notApplicable: () => {
        throw new Error("not applicable");
      },
    },
    collect(violations, "stack", policy, level, ""),
  );
  return violations;
}

function levelOf(policy: Policies[number], options: TestRunOptions): EnforcementLevel {
  const configured =
    options.config?.[policy.name]?.["enforcementLevel"] ?? options.config?.["all"]?.["enforcementLevel"];
  return (configured as EnforcementLevel | undefined) ?? policy.enforcementLevel ?? "advisory";
}

function common(resource: TestResource, urn: string, props: Record<string, unknown>, options: TestRunOptions) {
  const opts: PolicyResourceOptions = {
    protect: false,
    ignoreChanges: [],
    aliases: [],
    customTimeouts: { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 },
    additionalSecretOutputs: [],
    ...(resource.parent === undefined ? {} : { parent: resource.parent }),
  };
  return {
    type: resource.type,
    name: resource.name,
    urn,
    props: unknownCheckingProxy(structuredClone(props)) as Record<string, unknown>,
    opts,
    isType: () => false,
    asType: () => undefined,
    ...(resource.provider === undefined ? {} : { provider: providerOf(resource.provider, options) }),
  };
}

function providerOf(provider: { name: string; props: Record<string, unknown> }, options: TestRunOptions) {
  const type = "pulumi:providers:kubernetes";
  const result: PolicyProviderResource = {
    type,
    name: provider.name,
    urn: urnOf({ type, name: provider.name }, options),
    props: unknownCheckingProxy(structuredClone(provider.props)) as Record<string, unknown>,
  };
  return result;
}

/** What `reportViolation` does with a text and with the object form. */
function collect(
  violations: TestViolation[],
  phase: TestViolation["phase"],
  policy: Policies[number],
  level: EnforcementLevel,
  defaultUrn: string,
) {
  return (message: unknown, urn?: string): void => {
    const given = typeof message === "object" && message !== null ? (message as Partial<TestViolation>) : undefined;
    const severity = given?.severity ?? policy.severity;
    violations.push({
      phase,
      policy: policy.name,
      level: level === "remediate" ? "mandatory" : level,
      message: given?.message ?? `${policy.description}\n${String(message)}`,
      urn: given?.urn ?? urn ?? defaultUrn,
      ...(severity === undefined ? {} : { severity }),
    });
  };
}
