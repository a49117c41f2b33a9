import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { ClusterError } from "./errors";

/** What a request needs beyond its path: server, certificates, headers, agent. Made from a kubeconfig. */
export interface Connection {
  /** `https://host:port`, with a path prefix if the kubeconfig has one. */
  readonly server: string;
  /** Options for each request, asked for anew each time: tokens expire. */
  requestOptions(): Promise<https.RequestOptions>;
}

/** An answer of the API server that is not 2xx and not worth a retry. */
export class ApiError extends ClusterError {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
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

/** Answers that say "try again" (Kubernetes API conventions): 429 and 503 by the server, the others by proxies before it. */
const passing: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);
const longestWait = 10_000;

/** Reads from a Kubernetes API server, and only reads. Retries what passes: 429, 5xx, connections that break. */
export class ApiClient {
  readonly #connection: Connection;
  readonly #options: Required<ApiClientOptions>;

  constructor(connection: Connection, options: ApiClientOptions = {}) {
    this.#connection = connection;
    this.#options = { timeout: 60_000, attempts: 6, backoff: 250, onRetry: () => undefined, ...options };
  }

  /**
   * GET of one path, parsed.
   *
   * @throws ApiError for an answer that a retry does not change, ClusterError where no answer can be had.
   */
  async get(path: string): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      let wait = Math.min(this.#options.backoff * 2 ** (attempt - 1), longestWait);
      try {
        const answer = await send(this.#connection, "GET", path, undefined, this.#options.timeout);
        if (answer.status >= 200 && answer.status < 300) return parse(answer.body, path);
        const error = apiError(answer, path);
        if (!passing.has(answer.status) || attempt >= this.#options.attempts) throw error;
        if (answer.retryAfter !== undefined) wait = Math.min(answer.retryAfter * 1000, longestWait);
        this.#options.onRetry(`${error.message}; trying again in ${wait} ms`);
      } catch (error) {
        if (error instanceof ClusterError) throw error;
        if (!isPassing(error) || attempt >= this.#options.attempts) throw unreachable(this.#connection, error);
        this.#options.onRetry(`${describe(error)}; trying again in ${wait} ms`);
      }
      // Half of the wait is random, so that many clients do not come back at the same moment.
      await sleep(wait / 2 + (Math.random() * wait) / 2);
    }
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
  /** Seconds, from the header of that name. */
  readonly retryAfter?: number;
}

/** `APPLY`: server-side apply, which is a PATCH of its own content type. */
type Method = "GET" | "POST" | "PUT" | "PATCH" | "APPLY" | "DELETE";

async function send(
  connection: Connection,
  method: Method,
  path: string,
  body: unknown,
  timeout: number,
): Promise<Answer> {
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
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => {
        const retryAfter = Number(response.headers["retry-after"]);
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

/**
 * One request that changes the cluster, parsed. A deletion and a patch are tried again like a read: carried out twice they do the
 * same. Anything else only where the server says "later" (429): after a connection that broke nobody knows whether it was
 * carried out.
 *
 * @throws ApiError for an answer that is not 2xx, ClusterError where no answer can be had.
 */
export async function change(
  connection: Connection,
  method: "POST" | "PUT" | "PATCH" | "APPLY" | "DELETE",
  path: string,
  body: unknown,
  timeout = 60_000,
): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    let wait = attempt * 1000;
    try {
      const answer = await send(connection, method, path, body, timeout);
      if (answer.status >= 200 && answer.status < 300) return parse(answer.body, path);
      const mayPass = isRepeatable(method) ? passing.has(answer.status) : answer.status === 429;
      if (!mayPass || attempt >= 6) throw apiError(answer, path);
      if (answer.retryAfter !== undefined) wait = answer.retryAfter * 1000;
    } catch (error) {
      if (error instanceof ClusterError) throw error;
      if (!isRepeatable(method) || !isPassing(error) || attempt >= 6) throw unreachable(connection, error);
    }
    await sleep(Math.min(wait, longestWait));
  }
}

function isRepeatable(method: Method): boolean {
  return method !== "POST";
}

function unreachable(connection: Connection, error: unknown): ClusterError {
  return new ClusterError(`cannot reach the API server ${connection.server}: ${describe(error)}`, { cause: error });
}

function parse(body: string, path: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    throw new ClusterError(
      `the server answers ${path} with something that is not JSON: is it a Kubernetes API server?`,
    );
  }
}

/** Errors of connections that another attempt may not meet. A certificate that is refused is refused again. */
function isPassing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  return ["ECONNRESET", "ETIMEDOUT", "EPIPE", "EAI_AGAIN", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH"].includes(
    code,
  );
}

function apiError(answer: Answer, path: string): ApiError {
  let reason = "";
  let message = "";
  try {
    const status = JSON.parse(answer.body) as { reason?: unknown; message?: unknown };
    reason = typeof status.reason === "string" ? status.reason : "";
    message = typeof status.message === "string" ? status.message : "";
  } catch {
    // A proxy's page: its text says nothing that helps.
  }
  return new ApiError(answer.status, reason, `${path.split("?")[0]}: ${answer.status} ${message || reason}`.trim());
}

function describe(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return describe(error.errors[0]);
  return error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error);
}
