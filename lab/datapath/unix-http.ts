import { request } from "node:http";

/** An answer over a Unix socket. */
export interface SocketAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * One HTTP request over a Unix socket. `body` is sent as JSON. An answer of any status resolves.
 * Rejects where nobody listens or no answer comes within `timeout` milliseconds.
 */
export function askSocket(
  socketPath: string,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: unknown,
  timeout = 30_000,
): Promise<SocketAnswer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const outgoing = request(
      {
        socketPath,
        method,
        path,
        timeout,
        headers: {
          host: "localhost",
          ...(payload ? { "content-type": "application/json", "content-length": payload.length } : {}),
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
        );
      },
    );
    outgoing.once("timeout", () => outgoing.destroy(new Error(`${path}: no answer within ${timeout / 1000} s`)));
    outgoing.once("error", reject);
    outgoing.end(payload);
  });
}
