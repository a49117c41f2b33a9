/** A proxy before a real API server that answers in its place what a healthy one does not: 410, 429, 500, a cut connection. */
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import type { ControlPlane } from "../../lab/control-plane/index";

/** Answers a request itself (true), or lets it pass to the API server. */
export type Fault = (incoming: IncomingMessage, response: ServerResponse) => boolean;

/** The proxy. Every request passes until there is a {@link FrontProxy.fault}. */
export class FrontProxy {
  fault: Fault = () => false;
  /** What was asked, `GET /api/v1/pods`, without queries. */
  readonly asked: string[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before({ server: upstream, certificateAuthority }: ControlPlane): Promise<FrontProxy> {
    const ca = readFileSync(certificateAuthority);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = new FrontProxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.on("request", (incoming: IncomingMessage, response: ServerResponse) => {
      proxy.asked.push(`${incoming.method} ${(incoming.url ?? "").split("?")[0]}`);
      if (proxy.fault(incoming, response)) return;
      const { method, headers } = incoming;
      const outgoing = request(new URL(incoming.url ?? "/", upstream), { method, headers, ca }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.pipe(response);
      });
      outgoing.on("error", () => response.destroy());
      incoming.pipe(outgoing);
    });
    return proxy;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

/** Answers like an API server: a Status of this code. */
export function answerStatus(
  response: ServerResponse,
  code: number,
  { reason = "", message = "", headers = {} }: { reason?: string; message?: string; headers?: Record<string, string> },
): true {
  response.writeHead(code, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ kind: "Status", apiVersion: "v1", status: "Failure", reason, message, code }));
  return true;
}
