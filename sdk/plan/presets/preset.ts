/** The shape that all presets have. */
import type { WorkloadDeclaration } from "../declaration";
import type { Input, Known } from "../inputs";
import type { ModelDns } from "../model";
import type { BackendDeclaration } from "./declarations";
import type { Expansion } from "./expansion";

/**
 * How an option is read; {@link OptionKinds} holds it to the option's type. `text` and `texts` are names of the declaration,
 * which are plain; `words`, `name`, `hosts`, `ranges`, ports and labels may come from outputs.
 */
export type OptionKind =
  | "text"
  | "texts"
  | "words"
  | "name"
  | "hosts"
  | "ranges"
  | "flag"
  | "port"
  | "ports"
  | "labels"
  | "backend"
  | "backends"
  | "workload";

type KindOf<T> = [T] extends [string[]]
  ? "texts"
  : [T] extends [string]
    ? "text"
    : [T] extends [boolean]
      ? "flag"
      : [T] extends [BackendDeclaration[]]
        ? "backends"
        : [T] extends [BackendDeclaration]
          ? "backend"
          : [T] extends [WorkloadDeclaration]
            ? "workload"
            : [T] extends [Input<string>[]]
              ? "hosts" | "ranges"
              : [T] extends [Input<number>[]]
                ? "ports"
                : [T] extends [Input<string>]
                  ? "words" | "name"
                  : [T] extends [Input<number>]
                    ? "port"
                    : [T] extends [Input<{ [key: string]: Input<string> }>]
                      ? "labels"
                      : never;

/** Every option of a preset with the way it is read: an option that is forgotten does not compile. */
type OptionKinds<Options> = { readonly [Option in keyof Required<Options>]: KindOf<Required<Options>[Option]> };

/** What a preset may ask of the cluster. */
export interface PresetContext {
  readonly dns: ModelDns;
}

/** What a preset declares; name and place are added by its reader. */
type PresetParts = Pick<Expansion, "namespaces" | "workloads" | "flows"> &
  Partial<Pick<Expansion, "webhooks" | "scraper" | "dnsNames" | "undenied">>;

/** A service whose ports and peers are known: options in, the shapes that a user would write by hand out. */
export interface Preset<Options extends object> {
  /** Policies are named `tier1-<name>`; an application's are named after its workloads. */
  readonly name: string;
  readonly title: string;
  /** The chart or application that the ports and labels were read from. */
  readonly version: string;
  /** Where they were read. */
  readonly sources: readonly string[];
  readonly options: OptionKinds<Options>;
  /** Options without which it means nothing. */
  readonly required?: readonly (keyof Options & string)[];
  expand(options: Known<Options>, context: PresetContext): PresetParts;
}
