/** Refused arguments as Pulumi users know them: the problems one a line, no stack trace, in every language. */
import type { PropertyPath } from "../property-path";
import { formatPath } from "../property-path";
import { ChartValuesError } from "../charts/index";
import type { DeclarationProblem } from "../plan/index";
import { describeReason } from "../plan/errors";
import { DeclarationError } from "../plan/index";
import { isConstructedForAnotherLanguage } from "./engine";

/** What Pulumi knows a refused argument by (pulumi: sdk/nodejs/errors.ts, `InputPropertyErrorDetails`). */
interface PropertyProblem {
  readonly propertyPath: string;
  readonly reason: string;
}

/**
 * Pulumi tells its errors by these fields, so that several copies of the SDK understand each other. A `RunError` ends a
 * Node.js program with its message and without a stack trace; the details of an `InputPropertiesError` go to programs in
 * other languages, one a property.
 */
interface PulumiInputError {
  readonly __pulumiRunError: true;
  readonly __pulumiInputPropertiesError: true;
  readonly errors: readonly PropertyProblem[];
}

/** A refused declaration: a `DeclarationError` that Pulumi prints as an input error. */
class RefusedDeclaration extends DeclarationError implements PulumiInputError {
  readonly __pulumiRunError = true;
  readonly __pulumiInputPropertiesError = true;
  readonly errors: readonly PropertyProblem[];

  constructor({ problems, message, outcome }: DeclarationError) {
    super(problems, outcome);
    this.errors = problems.map(asProperty);
    this.message = headline(message);
  }
}

/** Refused chart values: a `ChartValuesError` that Pulumi prints as an input error. */
class RefusedChartValues extends ChartValuesError implements PulumiInputError {
  readonly __pulumiRunError = true;
  readonly __pulumiInputPropertiesError = true;
  readonly errors: readonly PropertyProblem[];

  constructor({ problems, message }: ChartValuesError) {
    super("", problems);
    this.errors = problems.map(({ path, message: reason }) => ({ propertyPath: formatPath(path), reason }));
    this.message = headline(message);
  }
}

/**
 * Runs what reads a component's arguments, before the component is registered.
 *
 * @param pathOf Where the component has what the planner calls by another path. Defaults to the same path.
 * @throws What it throws. A `DeclarationError` and a `ChartValuesError` are Pulumi's own input errors besides:
 *   `pulumi.InputPropertiesError.isInstance` and `pulumi.RunError.isInstance` hold for them.
 */
export function readArguments<T>(read: () => T, pathOf = (path: PropertyPath): PropertyPath => path): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof DeclarationError) {
      const problems = error.problems.map((problem) => ({ ...problem, path: pathOf(problem.path) }));
      throw new RefusedDeclaration(new DeclarationError(problems, error.outcome));
    }
    if (error instanceof ChartValuesError) throw new RefusedChartValues(error);
    throw error;
  }
}

function asProperty(problem: DeclarationProblem): PropertyProblem {
  return { propertyPath: formatPath(problem.path), reason: describeReason(problem) };
}

/**
 * A program in another language gets the problems as details beside the message, and would read each of them twice.
 */
function headline(message: string): string {
  return isConstructedForAnotherLanguage() ? (message.split("\n")[0] ?? message) : message;
}
