import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";

/** An answer of the API server. */
export interface ApiResponse {
  readonly status: number;
  readonly body: unknown;
}

/** The few calls that the lab itself makes; a connection is kept open between them. */
export interface ApiClient {
  /**
   * Sends one request. `body` is sent as JSON under `contentType` (default application/json).
   * Rejects where no answer comes; an answer of any status resolves.
   */
  call(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiResponse>;
  close(): void;
}

/** How to reach an API server as one user. */
export interface ApiAccess {
  readonly server: string;
  readonly certificateAuthority: string;
  readonly token: string;
}

export function apiClient(access: ApiAccess): ApiClient {
  const agent = new Agent({ keepAlive: true, ca: readFileSync(access.certificateAuthority), maxSockets: 8 });
  return {
    call: (method, path, body, contentType = "application/json") =>
      new Promise((resolve, reject) => {
        const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
        const outgoing = request(
          new URL(path, access.server),
          {
            method,
            agent,
            timeout: 120_000,
            headers: {
              authorization: `Bearer ${access.token}`,
              accept: "application/json",
              ...(payload ? { "content-type": contentType, "content-length": payload.length } : {}),
            },
          },
          (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.once("error", reject);
            response.once("end", () => resolve({ status: response.statusCode ?? 0, body: parse(chunks) }));
          },
        );
        outgoing.once("timeout", () => outgoing.destroy(new Error(`${method} ${path}: no answer within 120 s`)));
        outgoing.once("error", reject);
        outgoing.end(payload);
      }),
    close: () => agent.destroy(),
  };
}

function parse(chunks: readonly Buffer[]): unknown {
  const text = Buffer.concat(chunks).toString("utf8");
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
