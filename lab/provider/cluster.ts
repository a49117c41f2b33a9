/** The API server: requests, errors in its own words, and discovery of kinds. */
import http from "node:http";
import https from "node:https";
import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import type { KubeObject } from "./objects";
import { isMap, type PlainMap } from "./properties";

/** The API server answered with an error; the message is its own. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
    readonly details: PlainMap = {},
  ) {
    super(message);
  }
}

/** The API server could not be asked. */
export class UnreachableError extends Error {}

/** The kind does not exist in the cluster (its CustomResourceDefinition is not installed, or not yet). */
export class NoMatchError extends Error {
  constructor(apiVersion: string, kind: string) {
    super(`no matches for kind "${kind}" in version "${apiVersion}"`);
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.code === 404;
}

/** The namespace that the object should go to does not exist (a 404 that names the namespace, not the object). */
export function isNamespaceMissing(error: unknown): boolean {
  return isNotFound(error) && (error as ApiError).details["kind"] === "namespaces";
}

/** How the API server serves a kind. */
export interface ResourceType {
  apiVersion: string;
  kind: string;
  /** Plural name, as in the path. */
  resource: string;
  namespaced: boolean;
}

export interface RequestOptions {
  query?: Record<string, string>;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal | undefined;
  /** Milliseconds without an answer before the request is given up (60 s). */
  timeout?: number;
}

export interface Answer {
  status: number;
  body: unknown;
}

const requestTimeout = 60_000;
const credentialsLifetime = 60_000;

interface Credentials {
  headers: Record<string, string>;
  agent: http.Agent | https.Agent;
  readAt: number;
}

/** What client-node fills in for a request: credentials, certificates, an agent. */
type ClientOptions = https.RequestOptions & { headers?: Record<string, string>; auth?: string | null };

export class Cluster {
  private readonly server: URL;
  private credentials: Promise<Credentials> | undefined;
  private readonly types = new Map<string, Promise<ResourceType[]>>();

  constructor(readonly kubeconfig: KubeConfig) {
    this.server = new URL(kubeconfig.getCurrentCluster()?.server ?? "");
  }

  get address(): string {
    return this.server.origin;
  }

  /** Asks the API server. Throws {@link ApiError}, or {@link UnreachableError} where it gives no answer. */
  async request(method: string, pathname: string, options: RequestOptions = {}): Promise<Answer> {
    // a kept-alive connection that the server has closed fails at once: such a read or apply may safely be sent again
    const attempts = method === "POST" ? 1 : 3;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.send(method, pathname, options);
      } catch (error) {
        const again =
          (error instanceof StaleConnection && attempt < attempts) ||
          (error instanceof Overloaded && attempt < 6 && !options.signal?.aborted);
        if (!again) {
          if (error instanceof Overloaded) throw error.answer;
          throw error instanceof StaleConnection ? new UnreachableError(error.message) : error;
        }
        if (error instanceof Overloaded) await delay(error.after * 1000, options.signal);
      }
    }
  }

  private async send(method: string, pathname: string, options: RequestOptions): Promise<Answer> {
    const { headers, agent } = await this.currentCredentials();
    const base = this.server.pathname.replace(/\/$/, "");
    const query = new URLSearchParams(options.query ?? {}).toString();
    const body = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body), "utf8");
    const send = this.server.protocol === "http:" ? http.request : https.request;
    return new Promise<Answer>((resolve, reject) => {
      const request = send(
        {
          method,
          protocol: this.server.protocol,
          hostname: this.server.hostname.replace(/^\[|\]$/g, ""),
          port: this.server.port,
          path: `${base}${pathname}${query ? `?${query}` : ""}`,
          agent,
          signal: options.signal,
          headers: {
            accept: "application/json",
            ...headers,
            ...(body
              ? { "content-type": options.contentType ?? "application/json", "content-length": body.length }
              : {}),
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("error", (error: NodeJS.ErrnoException) => reject(this.connectionError(error, request)));
          response.on("end", () => {
            const status = response.statusCode ?? 0;
            const parsed = parse(Buffer.concat(chunks).toString("utf8"));
            if (status < 400) return resolve({ status, body: parsed });
            const error = apiError(status, parsed, method, pathname);
            const after = Number(response.headers["retry-after"]);
            // 429 and 503 with Retry-After: the server asks for patience (API priority and fairness, start-up)
            reject((status === 429 || status === 503) && after > 0 ? new Overloaded(Math.min(after, 5), error) : error);
          });
        },
      );
      request.setTimeout(options.timeout ?? requestTimeout, () => {
        request.destroy(
          new UnreachableError(`no answer from ${this.address} within ${(options.timeout ?? requestTimeout) / 1000} s`),
        );
      });
      request.on("error", (error: NodeJS.ErrnoException) => reject(this.connectionError(error, request)));
      request.end(body);
    });
  }

  private connectionError(error: NodeJS.ErrnoException, request: http.ClientRequest): Error {
    if (error instanceof UnreachableError || error.name === "AbortError") return error;
    const message = `${this.address}: ${error.message || error.code || "connection failed"}`;
    const stale = request.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
    return stale ? new StaleConnection(message) : new UnreachableError(message);
  }

  private async currentCredentials(): Promise<Credentials> {
    const known = await this.credentials?.catch(() => undefined);
    if (known && Date.now() - known.readAt < credentialsLifetime) return known;
    // tokens of exec plugins and token files expire, so they are asked for again; connections are kept
    this.credentials = this.readCredentials(known?.agent);
    return this.credentials;
  }

  private async readCredentials(keep: http.Agent | undefined): Promise<Credentials> {
    const options: ClientOptions = {};
    const cluster = this.kubeconfig.getCurrentCluster();
    try {
      await this.kubeconfig.applyToHTTPSOptions(options as https.RequestOptions);
    } catch (error) {
      throw new UnreachableError(`the credentials of the kubeconfig cannot be used: ${(error as Error).message}`);
    }
    const headers = Object.fromEntries(
      Object.entries(options.headers ?? {}).map(([key, value]) => [key.toLowerCase(), String(value)]),
    );
    if (options.auth) headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
    const user = this.kubeconfig.getCurrentUser();
    if (user?.impersonateUser) headers["impersonate-user"] = user.impersonateUser;
    const tls: https.AgentOptions = {
      keepAlive: true,
      maxSockets: 64,
      ca: options.ca,
      cert: options.cert,
      key: options.key,
      ...(cluster?.skipTLSVerify ? { rejectUnauthorized: false } : {}),
      ...(cluster?.tlsServerName ? { servername: cluster.tlsServerName } : {}),
    };
    const own =
      this.server.protocol === "http:" ? new http.Agent({ keepAlive: true, maxSockets: 64 }) : new https.Agent(tls);
    // through a proxy the client library's agent is the one that knows how
    const agent = cluster?.proxyUrl ? (options.agent as http.Agent) : (keep ?? own);
    return { headers, agent, readAt: Date.now() };
  }

  /** How the kind is served; throws {@link NoMatchError} where it is not. Answers are kept, absence is not. */
  async resourceType(apiVersion: string, kind: string): Promise<ResourceType> {
    const find = async (): Promise<ResourceType | undefined> =>
      (await this.typesOf(apiVersion)).find((type) => type.kind === kind);
    const cached = this.types.has(apiVersion);
    let type = await find();
    if (!type && cached) {
      this.types.delete(apiVersion);
      type = await find();
    }
    if (type) return type;
    this.types.delete(apiVersion);
    throw new NoMatchError(apiVersion, kind);
  }

  private typesOf(apiVersion: string): Promise<ResourceType[]> {
    let list = this.types.get(apiVersion);
    if (!list) {
      list = this.readTypes(apiVersion);
      this.types.set(apiVersion, list);
      list.catch(() => this.types.delete(apiVersion));
    }
    return list;
  }

  private async readTypes(apiVersion: string): Promise<ResourceType[]> {
    try {
      const { body } = await this.request("GET", groupPath(apiVersion));
      const resources = isMap(body) && Array.isArray(body["resources"]) ? (body["resources"] as unknown[]) : [];
      return resources.flatMap((each) => {
        if (!isMap(each) || typeof each["name"] !== "string" || each["name"].includes("/")) return [];
        return [
          { apiVersion, kind: String(each["kind"]), resource: each["name"], namespaced: each["namespaced"] === true },
        ];
      });
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }

  path(type: ResourceType, namespace: string, name?: string): string {
    const scope = type.namespaced ? `/namespaces/${encodeURIComponent(namespace || "default")}` : "";
    return `${groupPath(type.apiVersion)}${scope}/${type.resource}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
  }

  /** The object as it is now; throws a 404 {@link ApiError} where there is none. */
  async get(type: ResourceType, namespace: string, name: string, signal?: AbortSignal): Promise<KubeObject> {
    return (await this.request("GET", this.path(type, namespace, name), { signal })).body as KubeObject;
  }
}

class StaleConnection extends Error {}

class Overloaded extends Error {
  constructor(
    readonly after: number,
    readonly answer: ApiError,
  ) {
    super(answer.message);
  }
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function apiError(status: number, body: unknown, method: string, pathname: string): ApiError {
  if (isMap(body) && body["kind"] === "Status") {
    const message = typeof body["message"] === "string" ? body["message"] : `${method} ${pathname}: status ${status}`;
    const details = isMap(body["details"]) ? (body["details"] as PlainMap) : {};
    return new ApiError(status, String(body["reason"] ?? ""), message, details);
  }
  const text = typeof body === "string" && body.trim() !== "" ? `: ${body.trim().slice(0, 300)}` : "";
  return new ApiError(status, "", `${method} ${pathname}: status ${status}${text}`);
}

/** Waits, or rejects as soon as the signal is aborted. */
export function delay(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new Error("cancelled"));
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new Error("cancelled"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
