import * as pulumi from "@pulumi/pulumi";
import { getMonitor } from "@pulumi/pulumi/runtime/settings";

/** A resource as it was registered with the engine. */
export interface Registration {
  readonly urn: string;
  readonly type: string;
  readonly name: string;
  readonly parent: string;
  readonly provider: string;
  readonly inputs: Readonly<Record<string, unknown>>;
  /** URNs. */
  readonly dependencies: readonly string[];
  readonly aliases: readonly unknown[];
  readonly ignoreChanges: readonly string[];
  /** What a component registered as its outputs. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Undefined where the program does not say. */
  readonly protect: boolean | undefined;
}

interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProvider(): string;
  getProvidersMap(): { toArray(): [string, string][] };
  getDependenciesList(): string[];
  getProtect(): boolean;
  hasProtect(): boolean;
  getAliasesList(): { getUrn(): string; getSpec(): { toObject(): unknown } | undefined }[];
  getIgnorechangesList(): string[];
  getObject(): { toJavaScript(): Record<string, unknown> } | undefined;
}

interface OutputsRequest {
  getUrn(): string;
  getOutputs(): { toJavaScript(): Record<string, unknown> } | undefined;
}

interface RegisterResponse {
  getUrn(): string;
}

type Register = (request: RegisterRequest, callback: (error: unknown, response?: RegisterResponse) => void) => unknown;

type RegisterOutputs = (request: OutputsRequest, callback: (error: unknown, response?: unknown) => void) => unknown;

/**
 * Runs a program against Pulumi's mock engine and returns what it registered, in order, with what mocks alone do not
 * tell: dependencies, parents, providers and aliases.
 */
export async function register(
  program: () => unknown,
  options: {
    config?: Record<string, string>;
    preview?: boolean;
    /** What the provider makes of a resource. Defaults to its inputs. */
    state?: (type: string, inputs: Record<string, unknown>) => Record<string, unknown>;
  } = {},
): Promise<readonly Registration[]> {
  const registrations: Registration[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ name, type, inputs }) => {
        const own = inputs as Record<string, unknown>;
        return { id: `${name}-id`, state: options.state?.(type, own) ?? own };
      },
      call: () => ({}),
    },
    "project",
    "stack",
    options.preview ?? false,
  );
  pulumi.runtime.setAllConfig(options.config ?? {});
  const monitor = getMonitor() as unknown as { registerResource: Register; registerResourceOutputs: RegisterOutputs };
  const outputs = new Map<string, Record<string, unknown>>();
  const originalOutputs = monitor.registerResourceOutputs.bind(monitor);
  monitor.registerResourceOutputs = (request, callback) => {
    outputs.set(request.getUrn(), request.getOutputs()?.toJavaScript() ?? {});
    return originalOutputs(request, callback);
  };
  const original = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) =>
    original(request, (error, response) => {
      if (response !== undefined) {
        registrations.push({
          urn: response.getUrn(),
          type: request.getType(),
          name: request.getName(),
          parent: request.getParent(),
          provider: request.getProvider(),
          inputs: request.getObject()?.toJavaScript() ?? {},
          dependencies: request.getDependenciesList(),
          outputs: {},
          protect: request.hasProtect() ? request.getProtect() : undefined,
          ignoreChanges: request.getIgnorechangesList(),
          aliases: request.getAliasesList().map((alias) => alias.getSpec()?.toObject() ?? alias.getUrn()),
        });
      }
      callback(error, response);
    });
  await program();
  await pulumi.runtime.disconnect();
  return registrations.map((registration) => ({ ...registration, outputs: outputs.get(registration.urn) ?? {} }));
}

/** What a program warns about while it registers, against Pulumi's mock engine. */
export async function warningsOf(program: () => unknown): Promise<readonly string[]> {
  const warnings: string[] = [];
  // without an engine Pulumi writes its log to the console
  const original = console.warn;
  console.warn = (text: unknown): void => void warnings.push(String(text));
  try {
    await register(program);
  } finally {
    console.warn = original;
  }
  return warnings;
}

/**
 * Everything that stands before a resource: its dependencies and its parent, and theirs. The engine creates in this
 * order and deletes against it (pulumi: resource/graph).
 */
export function standsBefore(registrations: readonly Registration[], urn: string): ReadonlySet<string> {
  const byUrn = new Map(registrations.map((registration) => [registration.urn, registration]));
  const found = new Set<string>();
  const visit = (current: string): void => {
    const registration = byUrn.get(current);
    for (const dependency of [...(registration?.dependencies ?? []), registration?.parent ?? ""]) {
      if (dependency === "" || found.has(dependency)) continue;
      found.add(dependency);
      visit(dependency);
    }
  };
  visit(urn);
  return found;
}
