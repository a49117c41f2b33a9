import { randomInt } from "node:crypto";
import {
  ApiClient,
  BreakGlassApi,
  chooseGrant,
  closeBypass,
  ClusterError,
  connect,
  grantsOf,
  kindsOf,
  listBypasses,
  openBypass,
  type Choice,
  type ListedBypass,
  type OpenedBypass,
  type OpenRequest,
} from "../../cluster";
import type { BypassStatement, DebugPod } from "../../plan";
import { describeSubject, durationText, secondsOf, timerName } from "../../plan";
import { ask } from "../ask";
import { CliError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { listening, reading, type Heard } from "../interruption";
import { mayBeName } from "../print/objects";
import { printBypasses, type BypassFormat } from "../print/bypass";
import { standardOutput } from "../output";
import type { Workload } from "../../reachability";
import { load, note, type InputOptions, type Loaded } from "../snapshot";
import { outputOf } from "./options";
import { debugPodOf, describeDebugPod, withDebugPod } from "./bypass-debug-pod";
import { hasLabels, pathsOpened, podSelector, podsOf } from "./bypass-paths";

/** What every `bypass` command is told. */
interface BypassOptions {
  readonly context: string;
  readonly kubeconfig?: string;
  readonly quiet: boolean;
}

export interface BypassOpenOptions extends BypassOptions {
  readonly for: string;
  readonly owner: string;
  readonly reason: string;
  readonly grant?: string;
  /** Names of pods; none: all of the subject. */
  readonly pod: readonly string[];
  /** Make a pod for it in place of labelling any. */
  readonly debugPod: boolean;
  readonly yes: boolean;
  readonly cni?: string;
  readonly allowProblems: boolean;
  /** Seconds. */
  readonly startTimeout: string;
}

/** `cluster-security bypass open`: opens the paths of a workload or a namespace for a time that the cluster ends. */
export async function bypassOpen(target: string, options: BypassOpenOptions): Promise<ExitCode> {
  const { namespace, workload } = parseTarget(target);
  const seconds = secondsOf(options.for);
  if (seconds === undefined) throw usageError(`--for: "${options.for}" is no duration: write 30m, 2h or 1h30m`);
  const owner = stated(options.owner, "--owner");
  const reason = stated(options.reason, "--reason");
  if (options.debugPod) refuseForDebugPod(workload, namespace, options);
  const startWithin = Number(options.startTimeout) * 1000;
  if (!(startWithin > 0)) throw usageError(`--start-timeout: "${options.startTimeout}" is no number of seconds`);
  return await onCluster(options, async (api) => {
    const me = await reading(() => api.whoAmI(), notOpened);
    const wish = { namespace, seconds, groups: me.groups, ...(workload === undefined ? {} : { workload }) };
    const named = options.grant === undefined ? {} : { grant: options.grant };
    const choice = chooseGrant(await reading(() => grantsOf(api), notOpened), { ...wish, ...named });
    if (typeof choice === "string") throw new CliError(choice, exitCodes.no);
    const timer = timerName(choice.grant.name, randomPart());
    const of = describeSubject(namespace, workload);
    const statement: BypassStatement = { timer, namespace, of, owner, reason, requester: me.user };
    const loaded = await load([`context=${options.context}`], inputOptionsOf(options));
    const opened = await whatOpens(api, loaded, choice, statement, { workload, seconds, options });
    if (!options.yes && !(await confirmed())) {
      note(notOpened, options);
      return exitCodes.no;
    }
    const made = await listening(
      {
        first: "removing what was made; once more to leave at once",
        second: `left at once: Job ${namespace}/${timer} ends what was made; cluster-security bypass list shows it`,
      },
      (heard) => opening(api, { ...choice, ...opened, statement, seconds, startWithin, signal: heard.abort }, heard),
    );
    note(`open until ${made.until}, by timer ${namespace}/${timer}; pods: ${made.pods.join(", ")}`, options);
    if (opened.debugPod !== undefined) {
      note(`get in: kubectl exec --context ${options.context} -n ${namespace} -it ${timer} -- sh`, options);
    }
    note(
      `close it before that: cluster-security bypass close ${namespace}/${timer} --context ${options.context}`,
      options,
    );
    return exitCodes.ok;
  });
}

function refuseForDebugPod(workload: string | undefined, namespace: string, { pod }: BypassOpenOptions): void {
  if (workload === undefined) throw usageError(`--debug-pod copies the pods of a workload: name it, ${namespace}/NAME`);
  if (pod.length > 0) throw usageError("--debug-pod makes a pod of its own: leave out --pod");
}

/** The pods that are opened, or the one that is made for it. Prints the paths that open. */
async function whatOpens(
  api: BreakGlassApi,
  loaded: Loaded,
  choice: Choice,
  statement: BypassStatement,
  wish: { readonly workload: string | undefined; readonly seconds: number; readonly options: BypassOpenOptions },
): Promise<{ readonly pods: readonly string[]; readonly debugPod?: DebugPod }> {
  const { workload, seconds, options } = wish;
  const { namespace, of, timer } = statement;
  const labels = podSelector(choice.subject, namespace, workload, loaded);
  const show = (text: string): void => note(text, options);
  if (options.debugPod) {
    const debugPod = debugPodOf(loaded, workload, statement, { granted: choice.subject.labels, labels }, seconds);
    const isCopy = (one: Workload): boolean => one.kind === "Pod" && one.namespace === namespace && one.name === timer;
    await pathsOpened(withDebugPod(loaded, debugPod), choice.subject, statement, isCopy, standardOutput(), show);
    show(intent(choice, statement, seconds, `Pod ${timer}, a copy of the pods of ${of}`));
    for (const line of describeDebugPod(debugPod)) show(line);
    return { pods: [], debugPod };
  }
  const pods = await podsOf(api, namespace, labels, options.pod);
  if (pods.length === 0) throw new CliError(`${of} has no running pod that could be opened`, exitCodes.no);
  const isOpened = (one: Workload): boolean => hasLabels(one, namespace, labels);
  await pathsOpened(loaded, choice.subject, statement, isOpened, standardOutput(), show);
  const count = pods.length === 1 ? "pod" : `${pods.length} pods`;
  show(intent(choice, statement, seconds, `its label on ${count} of ${of}: ${pods.join(", ")}`));
  return { pods };
}

export interface BypassCloseOptions extends BypassOptions {
  readonly all: boolean;
}

/** So long the API server may take until a closed bypass is gone, in milliseconds. */
const closeWithin = 15_000;

/** `cluster-security bypass close`: ends bypasses before their time. */
export async function bypassClose(target: string, options: BypassCloseOptions): Promise<ExitCode> {
  const { namespace, workload } = parseTarget(target);
  return await onCluster(options, async (api) => {
    const kinds = kindsOf(await reading(() => grantsOf(api), "nothing was closed"));
    const of = describeSubject(namespace, workload);
    const all = await reading(() => listBypasses(api, kinds, namespace), "nothing was closed");
    const found = all.filter((one) => options.all || one.of === of || one.timer === workload);
    if (found.length === 0) throw new CliError(`there is no bypass of ${of}`, exitCodes.no);
    await listening(
      {
        first: "closing what was begun; once more to leave at once",
        second: "left at once: cluster-security bypass list shows what is open",
      },
      async (heard) => {
        for (const [index, one] of found.entries()) {
          heard.stopHere(() => stillOpen(found.slice(index)));
          await closeBypass(api, one, kinds, closeWithin);
          note(`closed: ${named(one)}`, options);
        }
        heard.stopHere(() => "all that were asked for are closed");
      },
    );
    return exitCodes.ok;
  });
}

function named({ namespace, timer, of }: ListedBypass): string {
  return `${namespace}/${timer}${of === "" ? "" : `, of ${of}`}`;
}

function stillOpen(left: readonly ListedBypass[]): string {
  return `not closed: ${left.map(named).join("; ")}; repeat the command to go on`;
}

export interface BypassListOptions extends BypassOptions {
  readonly namespace?: string;
  readonly format: BypassFormat;
  readonly output?: string;
}

/** `cluster-security bypass list`: what is open, until when, by whom, and what should be closed by now. */
export async function bypassList(options: BypassListOptions): Promise<ExitCode> {
  return await onCluster(options, async (api) => {
    const output = outputOf(options);
    const found: ListedBypass[] = await listBypasses(api, kindsOf(await grantsOf(api)), options.namespace);
    output.write(printBypasses(found, options.format));
    await output.end();
    return found.some(({ state }) => state === "overdue") ? exitCodes.no : exitCodes.ok;
  });
}

/** Does the work with the cluster that the options name. */
async function onCluster(
  { context, kubeconfig }: BypassOptions,
  work: (api: BreakGlassApi) => Promise<ExitCode>,
): Promise<ExitCode> {
  const connection = await connect({ context, ...(kubeconfig === undefined ? {} : { kubeconfig }) });
  return await work(new BreakGlassApi(new ApiClient(connection), connection));
}

/** `shop/api` or `shop`. */
function parseTarget(text: string): { readonly namespace: string; readonly workload?: string } {
  const [namespace = "", workload, ...rest] = text.split("/");
  if (!mayBeName(namespace) || rest.length > 0 || (workload !== undefined && !mayBeName(workload))) {
    throw usageError(`"${text}" is no workload and no namespace: write shop/api or shop`);
  }
  return workload === undefined ? { namespace } : { namespace, workload };
}

function stated(text: string, option: string): string {
  const words = text.trim();
  if (words === "") throw usageError(`${option} is empty`);
  if (/[\u0000-\u001f\u007f]/.test(words)) throw usageError(`${option} holds a control character`);
  return words;
}

function randomPart(): string {
  return Array.from({ length: 10 }, () => randomInt(36).toString(36)).join("");
}

function inputOptionsOf({ cni, kubeconfig, allowProblems, quiet }: BypassOpenOptions): InputOptions {
  return {
    as: "auto",
    ...(cni === undefined ? {} : { cni }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    allowProblems,
    allProblems: false,
    quiet,
    verbose: false,
    exclude: [],
    include: [],
    render: false,
  };
}

/** What will be created. @param besides The pod, or the label on pods */
function intent({ grant, subject }: Choice, { timer }: BypassStatement, seconds: number, besides: string): string {
  const kinds = subject.policies.map(({ kind }) => kind).join(" and ");
  return [
    `To be created for ${durationText(seconds)}, by grant ${grant.name}: Job ${timer}, which owns ${kinds} ${timer};`,
    `and ${besides}`,
  ].join("\n");
}

async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) throw usageError("nothing was opened: nobody can be asked here, so add --yes");
  return /^y(es)?$/i.test(await ask("Open these paths? (yes/no) ", notOpened));
}

const notOpened = "nothing was opened";

/** Opens; a signal undoes it. @throws CliError with what is left, once a signal has come. */
async function opening(api: BreakGlassApi, request: OpenRequest, heard: Heard): Promise<OpenedBypass> {
  try {
    return await openBypass(api, request);
  } catch (error) {
    // what it says then is why it stopped, and what is left
    heard.stopHere(() => (error instanceof ClusterError ? error.message : String(error)));
    throw error;
  }
}
