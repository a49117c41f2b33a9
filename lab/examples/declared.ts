/** What an example declares: its file is run under Pulumi's mocks, without an engine, and its components are only noted. */
import * as pulumi from "@pulumi/pulumi";
import * as state from "@pulumi/pulumi/runtime/state";
import type { ClusterSecurityArgs, ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/index";
import type { ComponentClass } from "./file";
import { outputsOf, runFile } from "./file";
import type { ExampleFolder } from "./names";
import { standInsOf } from "./stand-ins";

/** What one `ClusterSecurity` of an example is given. */
export interface DeclaredExample {
  /** Its folder in examples/. */
  readonly example: ExampleFolder;
  /** Name of the component. */
  readonly name: string;
  readonly declaration: ClusterSecurityDeclaration;
  /** Workloads in namespaces that the stack makes. */
  readonly applications: readonly WorkloadDeclaration[];
  /** Workloads in namespaces that are there already. */
  readonly platform: readonly WorkloadDeclaration[];
}

/**
 * The components of an example, in order. Synchronous, for suites that are made of an example's parts.
 *
 * @throws Error for an example whose program is asynchronous: {@link declaredLater} takes it.
 */
export function declaredBy(example: ExampleFolder): [DeclaredExample, ...DeclaredExample[]] {
  return underMocks((component, found) => {
    if (typeof runFile(example, component) === "function") {
      throw new Error(`${example} exports a function: what it declares is known only after it ran.`);
    }
    return noted(example, found);
  });
}

/** The components of any example, in order. */
export async function declaredLater(example: ExampleFolder): Promise<[DeclaredExample, ...DeclaredExample[]]> {
  return underMocks(async (component, found) => {
    await outputsOf(runFile(example, component));
    return noted(example, found);
  });
}

interface Noted {
  readonly name: string;
  readonly args: ClusterSecurityArgs;
}

function noted(example: ExampleFolder, found: readonly Noted[]): [DeclaredExample, ...DeclaredExample[]] {
  const [first, ...others] = found.map(({ name, args }): DeclaredExample => {
    const made = new Set((args.namespaces ?? []).flatMap((one) => (one.existing === true ? [] : [one.name])));
    const declaration = declarationOf(args);
    const workloads = standInsOf(example, declaration);
    return {
      example,
      name,
      declaration,
      applications: workloads.filter(({ namespace }) => made.has(namespace)),
      platform: workloads.filter(({ namespace }) => !made.has(namespace)),
    };
  });
  if (first === undefined) throw new Error(`${example} has no ClusterSecurity.`);
  return [first, ...others];
}

/** The arguments without what is about the component alone. */
function declarationOf(args: ClusterSecurityArgs): ClusterSecurityDeclaration {
  const {
    cni: _cni,
    istio: _istio,
    observability: _observability,
    defaultDeny: _deny,
    others: _others,
    liveCheck: _check,
    breakGlassTrial: _trial,
    ...declaration
  } = args;
  return declaration;
}

/** Pulumi's SDK keeps the state of a program; each inline program has one of its own, and so has what is run here. */
const { withLocalStorage } = state as unknown as { withLocalStorage: <T>(callback: () => T) => T };

function underMocks<T>(run: (component: ComponentClass, found: readonly Noted[]) => T): T {
  const found: Noted[] = [];
  const component: ComponentClass = class extends pulumi.ComponentResource {
    constructor(name: string, args: ClusterSecurityArgs, opts?: pulumi.ComponentResourceOptions) {
      super("lab:index:Noted", name, {}, opts);
      found.push({ name, args });
    }
  };
  return withLocalStorage(() => {
    void pulumi.runtime.setMocks(
      {
        newResource: ({ name, inputs }) => ({ id: `${name}-id`, state: inputs as Record<string, unknown> }),
        call: ({ inputs }) => inputs as Record<string, unknown>,
      },
      "example",
      "declared",
    );
    return run(component, found);
  });
}
