/** Files of a folder that hold no Kubernetes object, counted by what they are. */

/** What a file that is passed over is; the order is that of the lines on stderr. */
const strayKinds = {
  chart: "of Helm charts, which are not rendered",
  kustomization: "of kustomizations, which are not applied",
  values: "with values of charts",
  pipeline: "of build pipelines and tools",
  api: "that describe an API",
  dashboard: "with dashboards",
  encrypted: "encrypted (sops), without a Kubernetes object",
  other: "without a Kubernetes object",
  hidden: "in hidden files and folders",
  ignored: "that a .gitignore names",
} as const;

export type StrayKind = keyof typeof strayKinds;

/** So many names are printed in a line, and so many characters of names, unless the user wants all. */
const shownNames = 5;
const shownCharacters = 100;

export class Strays {
  readonly #files = new Map<StrayKind, Set<string>>();

  add(kind: StrayKind, ...files: readonly string[]): void {
    const known = this.#files.get(kind) ?? new Set();
    for (const file of files) known.add(file);
    this.#files.set(kind, known);
  }

  /** A line for each kind: `passed over: 3 files with dashboards: a.json, b.json, c.json`. */
  lines(verbose: boolean): string[] {
    return (Object.keys(strayKinds) as StrayKind[]).flatMap((kind) => {
      const files = [...(this.#files.get(kind) ?? [])];
      if (files.length === 0) return [];
      const shown = verbose ? files : first(files);
      const rest = files.length - shown.length;
      const more = rest === 0 ? "" : ` and ${rest} more (--verbose lists them)`;
      const count = files.length === 1 ? "1 file" : `${files.length} files`;
      return [`passed over ${count} ${strayKinds[kind]}: ${shown.join(", ")}${more}`];
    });
  }
}

/** The first names, as many as fit into a line; one in any case. */
function first(files: readonly string[]): readonly string[] {
  let length = 0;
  return files.slice(0, shownNames).filter((file, index) => {
    length += file.length + 2;
    return index === 0 || length <= shownCharacters;
  });
}

/** What a file is in which no Kubernetes object was found, by its name and its beginning. */
export function strayKindOf(file: string, text: string): StrayKind {
  const name = file.slice(file.lastIndexOf("/") + 1);
  if (/^\s*["']?sops["']?\s*:/m.test(text) && text.includes("ENC[")) return "encrypted";
  if (/^values.*\.ya?ml$|^values\.schema\.json$/i.test(name)) return "values";
  if (/^["'\s{]*(openapi|swagger|asyncapi)["']?\s*:/m.test(text.slice(0, 4000))) return "api";
  if (name.endsWith(".json") && /"(panels|schemaVersion|templating|__inputs)"\s*:/.test(text)) return "dashboard";
  const isTool =
    /^(azure-pipelines|bitbucket-pipelines|cloudbuild|appveyor|codecov|mkdocs|renovate|docker-compose|compose|skaffold|Taskfile|package|package-lock|tsconfig|lerna|turbo|nx|devfile|buildspec|action|lefthook|sonar|dependabot|_config|pnpm-lock|pnpm-workspace|netlify|vercel|firebase|composer)\b/i;
  return isTool.test(name) || /!reference|^(stages|jobs|pipeline|workflows?|on):/m.test(text.slice(0, 4000))
    ? "pipeline"
    : "other";
}
