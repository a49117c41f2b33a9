/** What an API server answers in place of what was asked for: whose it is, to which request, what it means, what to do. */
import { STATUS_CODES } from "node:http";
import { ApiError, ClusterError } from "./errors";

/** A request, as far as it is told to the user: the query may hold tokens of pages. */
export interface Asked {
  /** `https://host:port` of the API server. */
  readonly server: string;
  /** Name of the kubeconfig's context, where one was chosen by name. */
  readonly context?: string | undefined;
  readonly method: string;
  readonly path: string;
  /** How often it was sent. */
  readonly attempts: number;
}

/** An answer as it came. */
export interface Answer {
  readonly status: number;
  /** The text: an object of the API, or the page of a proxy. */
  readonly body: string;
  /** Milliseconds that the server asks to wait. */
  readonly retryAfter?: number;
}

/** The error for an answer that is not 2xx. */
export function refused(asked: Asked, answer: Answer): ApiError {
  const { status } = answer;
  const { reason, message } = statusIn(answer.body);
  const words = message || reason || STATUS_CODES[status] || "no reason is given";
  return new ApiError(status, reason, `${said(asked)}: ${status} ${words}: ${meaning(asked, answer, words)}`);
}

/** The error where no answer came. */
export function unreachable(asked: Asked, error: unknown): ClusterError {
  const lost = asked.method === "POST" ? "; whether the request was carried out is not known" : "";
  const tries = asked.attempts > 1 ? ` (${asked.attempts} attempts)` : "";
  const hint = hintOn(codeOf(error));
  return new ClusterError(
    `${said(asked)}: cannot reach the API server ${withoutCredentials(asked.server)}: ${describe(error)}${tries}${hint}${lost}`,
    { cause: error },
  );
}

/** The error for an answer that is 2xx and not what a Kubernetes API server answers. */
export function notUnderstood(asked: Omit<Asked, "attempts">, what: string): ClusterError {
  return new ClusterError(
    `${said(asked)}: the answer is ${what}: is ${withoutCredentials(asked.server)} a Kubernetes API server?`,
  );
}

/** What went wrong with a connection, in the words of the operating system. */
export function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0]);
  if (codeOf(error) === "EPROTO") return "it does not speak TLS";
  return error instanceof Error ? error.message || codeOf(error) : String(error);
}

/** `context "prod": GET /api/v1/pods` */
export function said({ server, context, method, path }: Omit<Asked, "attempts">): string {
  const whose = context === undefined ? withoutCredentials(server) : `context "${context}"`;
  return `${whose}: ${method === "APPLY" ? "PATCH" : method} ${path.split("?")[0]}`;
}

const longest = 500;

/** What a Status says of itself. A proxy's page says nothing that helps. */
function statusIn(body: string): { readonly reason: string; readonly message: string } {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    value = undefined;
  }
  const { reason, message } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const words = typeof message === "string" ? message.replace(/\s+/g, " ").trim() : "";
  return {
    reason: typeof reason === "string" ? reason : "",
    message: words.length > longest ? `${words.slice(0, longest)}…` : words,
  };
}

function meaning({ attempts }: Asked, { status, retryAfter }: Answer, words: string): string {
  if (status >= 300 && status < 400) {
    return "the server of the context leads elsewhere, such as to a page to sign in at: correct its address in the kubeconfig";
  }
  const tries = attempts > 1 ? `${attempts} attempts did not help` : "it was not tried again";
  if (status >= 500) {
    return `a fault of the API server or of a proxy before it, and ${tries}; repeat the command later, and look at the server's logs`;
  }
  switch (status) {
    case 401:
      return "the API server does not accept the credentials of the context: they are wrong or have expired; sign in again";
    case 403:
      return / cannot \S+ /.test(words)
        ? "bind a role that allows it to this user (cluster-security rbac prints the roles)"
        : "an admission check of the cluster forbids it";
    case 404:
      return "the API server has nothing there: is its address in the kubeconfig right, and does the cluster have this API?";
    case 409:
      return "somebody else changes the same object; repeat the command";
    case 410:
      return "the list changed while it was read, each time that it was begun; repeat the command";
    case 429: {
      const wait = retryAfter === undefined ? "later" : `in ${Math.ceil(retryAfter / 1000)} s`;
      return `the API server has too much to do, and ${tries}; repeat the command ${wait}`;
    }
    default:
      return "the API server does not take the request";
  }
}

function hintOn(code: string): string {
  if (code === "ECONNREFUSED")
    return "; nothing listens there: is the cluster up, and its address in the kubeconfig right?";
  if (["ENOTFOUND", "EAI_AGAIN"].includes(code))
    return "; there is no such name here: is the address right, or a VPN needed?";
  if (["ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH"].includes(code)) {
    return "; is a VPN needed, or does a firewall stand between?";
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO/.test(code)) {
    return "; its certificate is not trusted: certificate-authority in the kubeconfig has to be that of this cluster";
  }
  return "";
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return String((error as NodeJS.ErrnoException).code ?? "");
}

/** An address may hold a user's name and password. */
function withoutCredentials(server: string): string {
  return server.replace(/^([a-z]+:\/\/)[^/@]*@/i, "$1");
}
