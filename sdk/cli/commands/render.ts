import { imaginedCluster } from "../../plan";
import type { OrderProof, RenderSettings, RenderTarget, Rendering, TwoCommits } from "../../render";
import { defaultSettings, proveOrder, render as rendered, RenderError, standingObjects } from "../../render";
import { planOfToday } from "../declaration-file";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import {
  changesOf,
  filesWithRecord,
  openFolder,
  refuseDirtyTree,
  writeFolder,
  type FolderChanges,
  type RenderedFolder,
} from "../rendered-folder";
import { proofLines } from "../print/order";
import { outputOf } from "./options";

export interface RenderOptions {
  readonly for: RenderTarget;
  readonly declaration: string;
  /** Without it nothing is read or written but the declaration. */
  readonly out?: string;
  readonly path?: string;
  readonly name: string;
  readonly source: string;
  readonly dependsOn: readonly string[];
  readonly targetNamespace: string;
  readonly repository?: string;
  readonly revision: string;
  readonly move: boolean;
  readonly remove: boolean;
  readonly commit?: "1" | "2";
  readonly check: boolean;
  readonly allowDirty: boolean;
  readonly output?: string;
}

/** `cluster-security render`: a declaration as files for a GitOps tool. Reads no cluster. */
export async function render(options: RenderOptions): Promise<ExitCode> {
  const two = twoCommits(options);
  const settings = settingsOf(options);
  const { declaration, plan } = await planOfToday(options.declaration);
  const folder =
    options.out === undefined ? { place: "", texts: new Map() } : openFolder(options.out, pathBelow(options));
  const { earlier }: RenderedFolder = folder;
  const tree = attempted(() => rendered(plan, options.for, settings, earlier, two));
  if (two?.change === "remove" && two.commit === 1) refuseOtherChanges(folder, tree);
  const writes = options.out !== undefined && !options.check;
  if (writes && !options.allowDirty) refuseDirtyTree(folder, [options.declaration]);
  const proof =
    tree.steps.length === 0
      ? undefined
      : proveOrder(imaginedCluster(declaration), plan, earlier === undefined ? [] : standingOf(earlier), tree.steps);
  const wanted = filesWithRecord(tree.files, {
    target: tree.target,
    state: tree.state,
    objects: new Map(tree.objects.map(({ id, layer }) => [id, layer.name])),
    emptied: tree.emptied,
  });
  const changes = writes ? await writeFolder(folder, wanted) : changesOf(folder, wanted);
  const output = outputOf(options);
  output.write(
    summary({ tree, proof, changes, folder, options, warnings: plan.warnings.map(({ message }) => message) }),
  );
  await output.end();
  const differs = changes.written.length + changes.removed.length > 0;
  return options.check && differs ? exitCodes.no : exitCodes.ok;
}

function twoCommits({ move, remove, commit, check, out, for: target }: RenderOptions): TwoCommits | undefined {
  if (out === undefined && (move || remove || check)) throw usageError("--move, --remove and --check need --out");
  if (move && remove) throw usageError("--move and --remove exclude each other");
  if (!move && !remove) {
    if (commit !== undefined) throw usageError("--commit needs --move or --remove");
    return undefined;
  }
  if (commit === undefined)
    throw usageError(`--${move ? "move" : "remove"} takes two commits: add --commit 1, later --commit 2`);
  if (move && target !== "flux") throw usageError(`--move is for flux: ${target} deletes nothing when an object moves`);
  return { change: move ? "move" : "remove", commit: commit === "1" ? 1 : 2 };
}

function settingsOf(options: RenderOptions): RenderSettings {
  const { name, source, dependsOn, targetNamespace, repository, revision } = options;
  if (options.for === "argocd" && repository === undefined) {
    throw usageError("--repository is missing: the address from which Argo CD reads the folder");
  }
  return {
    path: pathBelow(options).replace(/\/+$/, ""),
    name,
    source,
    // several() collects onto an empty default
    dependsOn: dependsOn.length === 0 ? defaultSettings.dependsOn : dependsOn.filter((one) => one !== "none"),
    targetNamespace,
    repository: repository ?? "",
    revision,
  };
}

/** kustomize and kubectl are told a folder, so it may be the one that the user names. */
function pathBelow({ for: target, path }: RenderOptions): string {
  return path ?? (target === "flux" || target === "argocd" ? defaultSettings.path : "");
}

/** While objects are given up, the objects themselves must not change. What a removal adds has files of its own. */
function refuseOtherChanges({ texts }: RenderedFolder, { files }: Rendering): void {
  const ofTool = /(^|\/)(ks|kustomization)\.yaml$/;
  const other = files
    .filter(({ file, text }) => !ofTool.test(file) && texts.has(file) && texts.get(file) !== text)
    .map(({ file }) => file);
  if (other.length === 0) return;
  throw inputError(
    `the declaration gives other files than the folder holds (${other.slice(0, 5).join(", ")}): render and commit it first, then remove`,
  );
}

function standingOf(earlier: NonNullable<RenderedFolder["earlier"]>): Rendering["objects"][number]["object"][] {
  return standingObjects(earlier).map(({ object }) => object);
}

function attempted<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof RenderError) throw inputError(error.message);
    throw error;
  }
}

interface Summary {
  readonly tree: Rendering;
  readonly proof: OrderProof | undefined;
  readonly changes: FolderChanges;
  readonly folder: RenderedFolder;
  readonly options: RenderOptions;
  readonly warnings: readonly string[];
}

function summary({ tree, proof, changes, folder, options, warnings }: Summary): string {
  const lines = [
    `objects   ${tree.objects.length}, ${tree.layers.length} steps: ${tree.layers.join(", ") || "none"}`,
    ...(proof === undefined ? [] : proofLines(proof)),
    filesLine(changes, folder, options),
    ...tree.bypasses.map((of) => `left out  the bypass of ${of}: what is in Git comes back after its end`),
    ...allowAllLines(tree),
    ...tree.byHand.map((id) => `by hand   ${id} is no longer declared: kubectl delete it, in this order`),
    ...warnings.map((warning) => `warning   ${warning}`),
    ...nextLines(tree, folder, options),
  ];
  return `${lines.join("\n")}\n`;
}

function filesLine(
  { written, removed, unchanged }: FolderChanges,
  { place }: RenderedFolder,
  options: RenderOptions,
): string {
  if (options.out === undefined) return `files     ${written.length}; nothing was written: name a folder with --out`;
  const [write, remove] = options.check ? ["to write", "to remove"] : ["written", "removed"];
  return `files     ${write} ${written.length}, ${remove} ${removed.length}, unchanged ${unchanged}: ${place}`;
}

/** What is added lets everything pass: never silent. */
function allowAllLines({ allowAlls }: Rendering): readonly string[] {
  if (allowAlls.length === 0) return [];
  return [
    `added     ${allowAlls.join(", ")}: while the others are deleted, everything passes but what goes to metadata endpoints, so that no flow is cut`,
  ];
}

/** After the first commit of a removal, by tool. */
function takingDown(target: RenderTarget, place: string, name: string): readonly string[] {
  const last = "then render with --remove --commit 2";
  switch (target) {
    case "flux":
      return [`commit, wait until "flux get kustomizations" shows ${name} and the others ready, ${last}`];
    case "argocd":
      return [
        "commit, wait until Argo CD has synchronised it, then delete the Application, which deletes in reverse waves:",
        `argocd app delete argocd/${name}; ${last}`,
      ];
    case "kustomize":
      return [
        `kubectl apply --server-side -k ${place}`,
        `then delete what kustomization.yaml lists, from the last to the first (kubectl delete -f FILE), ${last}`,
      ];
    case "plain":
      return [
        `kubectl apply --server-side -f ${place}`,
        `then delete file by file, from the last to the first (kubectl delete -f FILE), ${last}`,
      ];
  }
}

const lastStep: Readonly<Record<RenderTarget, string>> = {
  flux: "next      commit: what is left is deleted with the Kustomizations",
  argocd: "next      commit, after the Application is gone",
  kustomize: "next      commit, after the objects are gone",
  plain: "next      commit, after the objects are gone",
};

function nextLines(
  { target, state, files }: Rendering,
  { place }: RenderedFolder,
  { out, commit, remove, move, name, path }: RenderOptions,
): readonly string[] {
  if (out === undefined) return [];
  if (remove && files.length === 0) return [lastStep[target]];
  if (state === "removing") {
    return [
      ...takingDown(target, place, name).map((line, index) => `${index === 0 ? "next      " : "          "}${line}`),
      "          namespaces stay: delete them by hand if nothing runs there",
    ];
  }
  if (state === "moving")
    return ["next      commit, wait until Flux has applied it, then render with --move --commit 2"];
  if (target === "flux" && !(move && commit === "2")) {
    const folder = (path ?? defaultSettings.path).split("/").filter((part) => part !== "");
    const last = folder[folder.length - 1];
    return last === undefined
      ? []
      : [
          `next      list ./${last}/ks.yaml under resources of ${[...folder.slice(0, -1), "kustomization.yaml"].join("/")}, and commit`,
        ];
  }
  return [];
}
