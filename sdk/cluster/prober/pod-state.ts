/** What a pod of the prober is doing, read from its status. Pure. */

/** The parts of a Pod (v1) that are read. */
export interface ProberPod {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>>; readonly deletionTimestamp?: string };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly reason?: string;
    readonly message?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly name: string;
      readonly ready?: boolean;
      readonly state?: {
        readonly waiting?: { readonly reason?: string; readonly message?: string };
        readonly running?: object;
        readonly terminated?: { readonly exitCode?: number; readonly reason?: string; readonly message?: string };
      };
    }[];
  };
}

export type ProberState =
  /** Not yet; `why` where the status says what it waits for. */
  | { readonly state: "starting"; readonly why?: string }
  /** All its ports are open. */
  | { readonly state: "listening"; readonly address: string }
  /** It has ended and left its report. */
  | { readonly state: "ended"; readonly report: string }
  /** Nothing will come of it. */
  | { readonly state: "failed"; readonly why: string };

/** Reasons of a waiting container that no waiting changes (kubelet: images and container configuration). */
const hopeless: ReadonlySet<string> = new Set([
  "ErrImagePull",
  "ImagePullBackOff",
  "InvalidImageName",
  "ErrImageNeverPull",
  "CreateContainerConfigError",
  "CreateContainerError",
  "RunContainerError",
]);

export function proberState({ metadata, status = {} }: ProberPod): ProberState {
  const container = status.containerStatuses?.find(({ name }) => name === "prober");
  const { waiting, running, terminated } = container?.state ?? {};
  if (terminated) {
    const { exitCode, message, reason } = terminated;
    if (exitCode === 0 && message) return { state: "ended", report: message };
    return { state: "failed", why: sentence("the probe pod ended early", `exit code ${exitCode}`, message ?? reason) };
  }
  if (metadata?.deletionTimestamp !== undefined) return { state: "failed", why: "the probe pod was deleted" };
  if (status.phase === "Failed") {
    return { state: "failed", why: sentence("the probe pod failed", status.reason, status.message) };
  }
  if (waiting?.reason !== undefined && hopeless.has(waiting.reason)) {
    return { state: "failed", why: sentence("the probe pod does not start", waiting.reason, waiting.message) };
  }
  if (running && container?.ready && status.podIP) return { state: "listening", address: status.podIP };
  const unscheduled = status.conditions?.find(
    ({ type, status: holds }) => type === "PodScheduled" && holds === "False",
  );
  const why = unscheduled
    ? sentence("no node takes it", unscheduled.reason, unscheduled.message)
    : waiting && sentence("it waits", waiting.reason, waiting.message);
  return why === undefined ? { state: "starting" } : { state: "starting", why };
}

function sentence(what: string, ...more: readonly (string | undefined)[]): string {
  return [what, ...more.filter((each) => each !== undefined && each !== "")].join(": ");
}
