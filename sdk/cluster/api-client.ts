import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { ClusterError } from "./errors";
import { describe, notUnderstood, refused, said, unreachable, type Asked, type Answer } from "./refusals";

/** What a request needs beyond its path: server, certificates, headers, agent. Made from a kubeconfig. */
export interface Connection {
  /** `https://host:port`, with a path prefix if the kubeconfig has one. */
  readonly server: string;
  /** Name of the kubeconfig's context; errors name it. Absent: they name the server. */
  readonly context?: string;
  /** Options for each request, asked for anew each time: tokens expire. */
  requestOptions(): Promise<https.RequestOptions>;
}

export interface ApiClientOptions {
  /** Milliseconds a request may take. Default 60,000. */
  readonly timeout?: number;
  /** How often a request is tried before its error counts. Default 6. */
  readonly attempts?: number;
  /** Milliseconds before the second attempt; doubled for each further one, up to 10 s. Default 250. */
  readonly backoff?: number;
  /** Called before each wait: how long and why. */
  readonly onRetry?: (message: string) => void;
}

const defaults: Required<ApiClientOptions> = {
  timeout: 60_000,
  attempts: 6,
  backoff: 250,
  onRetry: () => undefined,
};

/** Answers that say "try again" (Kubernetes API conventions): 429 and 503 by the server, the others by proxies before it. */
const passing: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
const longestWait = 10_000;

/** So long a server may ask to wait (Retry-After), in milliseconds; one that asks for more is not asked again. */
const longestAskedFor = 60_000;

/** Bytes. A page is some 500 objects of some kilobytes; what is larger than a string may be cannot be read at all. */
const largestAnswer = 256 * 1024 * 1024;

/** Reads from a Kubernetes API server, and only reads. Retries what passes: 429, 5xx, connections that break. */
export class ApiClient {
  readonly #connection: Connection;
  readonly #options: Required<ApiClientOptions>;

  constructor(connection: Connection, options: ApiClientOptions = {}) {
    this.#connection = connection;
    this.#options = { ...defaults, ...options };
  }

  /**
   * GET of one path, parsed: an object, as everything in the API is.
   *
   * @throws ApiError for an answer that a retry does not change, ClusterError where no answer can be had.
   */
  get(path: string): Promise<unknown> {
    return exchange(this.#connection, { method: "GET", path, body: undefined }, this.#options);
  }

  /** The error for an answer that does not hold what the API says. @param what "a list without items" */
  notUnderstood(path: string, what: string): ClusterError {
    return notUnderstood({ ...this.#connection, method: "GET", path }, what);
  }
}

/**
 * One request that changes the cluster, parsed. A deletion and a patch are tried again like a read: carried out twice they do the
 * same. Anything else only where the server says "later" (429): after a connection that broke nobody knows whether it was
 * carried out.
 *
 * @throws ApiError for an answer that is not 2xx, ClusterError where no answer can be had.
 */
export function change(
  connection: Connection,
  method: Exclude<Method, "GET">,
  path: string,
  body: unknown,
  timeout = defaults.timeout,
): Promise<unknown> {
  return exchange(connection, { method, path, body }, { ...defaults, timeout });
}

/** `APPLY`: server-side apply, which is a PATCH of its own content type. */
type Method = "GET" | "POST" | "PUT" | "PATCH" | "APPLY" | "DELETE";

interface Request {
  readonly method: Method;
  readonly path: string;
  readonly body: unknown;
}

/** Sends a request until there is an answer that counts. */
async function exchange(
  connection: Connection,
  request: Request,
  { timeout, attempts, backoff, onRetry }: Required<ApiClientOptions>,
): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const asked: Asked = { ...connection, ...request, attempts: attempt };
    const backedOff = Math.min(backoff * 2 ** (attempt - 1), longestWait);
    // half of the wait is random, so that many clients do not come back at the same moment
    let wait = backedOff / 2 + (Math.random() * backedOff) / 2;
    try {
      const answer = await send(connection, request, timeout);
      if (answer.status >= 200 && answer.status < 300) return objectIn(answer.body, asked);
      const error = refused(asked, answer);
      const { retryAfter = 0 } = answer;
      if (!mayPass(request, answer.status) || attempt >= attempts || retryAfter > longestAskedFor) throw error;
      wait = Math.max(wait, retryAfter);
      onRetry(`${said(asked)}: ${answer.status} ${error.reason}; trying again in ${Math.round(wait)} ms`);
    } catch (error) {
      if (error instanceof ClusterError) throw error;
      if (request.method === "POST" || !isPassing(error) || attempt >= attempts) throw unreachable(asked, error);
      onRetry(`${said(asked)}: ${describe(error)}; trying again in ${Math.round(wait)} ms`);
    }
    await sleep(wait);
  }
}

function mayPass({ method }: Request, status: number): boolean {
  return method === "POST" ? status === 429 : passing.has(status);
}

async function send(connection: Connection, { method, path, body }: Request, timeout: number): Promise<Answer> {
  const url = new URL(connection.server.replace(/\/$/, "") + path);
  const options = await connection.requestOptions();
  const open = url.protocol === "http:" ? http.request : https.request;
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = {
    ...options.headers,
    Accept: "application/json",
    ...(payload ? { "Content-Type": contentTypeOf(method), "Content-Length": payload.length } : {}),
  };
  return new Promise((resolve, reject) => {
    const request = open(url, { ...options, method: method === "APPLY" ? "PATCH" : method, headers }, (response) => {
      const parts: Buffer[] = [];
      let size = 0;
      response.on("data", (part: Buffer) => {
        parts.push(part);
        size += part.length;
        if (size <= largestAnswer) return;
        request.destroy();
        reject(notUnderstood({ ...connection, method, path }, `longer than ${largestAnswer / 1024 / 1024} MB`));
      });
      response.on("error", reject);
      response.on("end", () => {
        const retryAfter = Number(response.headers["retry-after"]) * 1000;
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(parts).toString("utf8"),
          ...(Number.isFinite(retryAfter) && retryAfter > 0 ? { retryAfter } : {}),
        });
      });
    });
    request.setTimeout(timeout, () => {
      request.destroy(Object.assign(new Error(`no answer within ${timeout / 1000} s`), { code: "ETIMEDOUT" }));
    });
    request.on("error", reject);
    request.end(payload);
  });
}

/** A patch is a JSON merge patch (RFC 7386), which every kind takes; what is applied is YAML, and JSON is. */
function contentTypeOf(method: Method): string {
  if (method === "APPLY") return "application/apply-patch+yaml";
  return method === "PATCH" ? "application/merge-patch+json" : "application/json";
}

function objectIn(body: string, asked: Asked): unknown {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw notUnderstood(asked, "not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw notUnderstood(asked, "JSON, and no object");
  }
  return value;
}

/** Errors of connections that another attempt may not meet. A certificate that is refused is refused again. */
function isPassing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return ["ECONNRESET", "ETIMEDOUT", "EPIPE", "EAI_AGAIN", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"].includes(
    code,
  );
}
