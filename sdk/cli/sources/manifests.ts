import * as reachability from "../../reachability";
import type { Problem, SourcedObject } from "../../reachability";

type YamlReader = (text: string, file: string) => { objects: readonly SourcedObject[]; problems: readonly Problem[] };

export function readYaml(text: string, file: string): ReturnType<YamlReader> {
  return (reachability as unknown as { readYaml: YamlReader }).readYaml(text, file);
}
