/** The examples as the lab and the suites use them. */
import type { ClusterSecurityDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";
import { declaredLater } from "./declared";
import type { ExampleFolder } from "./names";
import type { ExampleChanges } from "./program";
import { exampleProgram } from "./program";
import { expectedNamespaces, standInsOf } from "./stand-ins";

export { makeNamespaces, removeNamespaces } from "./cluster";
export type { DeclaredExample } from "./declared";
export { declaredBy } from "./declared";
export { exampleProgram } from "./program";
export { deploy } from "./workloads";

/** One example, ready to be deployed. */
export interface Example {
  /** Its folder in examples/. */
  readonly name: ExampleFolder;
  /** What its first component declares. */
  readonly declaration: ClusterSecurityDeclaration;
  /** Everything that runs in a lab, stand-ins included. */
  readonly workloads: readonly WorkloadDeclaration[];
  /** Namespaces that have to be there before it is deployed. */
  readonly expects: readonly string[];
  /** Its program, see {@link exampleProgram}. */
  readonly program: (changes?: ExampleChanges) => () => Promise<Record<string, unknown>>;
}

export async function loadExample(name: ExampleFolder): Promise<Example> {
  const [{ declaration }] = await declaredLater(name);
  return {
    name,
    declaration,
    workloads: standInsOf(name, declaration),
    expects: expectedNamespaces(name, declaration),
    program: (changes) => exampleProgram(name, changes),
  };
}
