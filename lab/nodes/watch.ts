/** Follows a collection of the API server: one list, then its changes; after any break another list. */
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import type { ApiAccess, ApiClient } from "../control-plane/index";

export interface Watched {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
}

interface List<T> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly T[];
}

interface Event<T> {
  readonly type: string;
  readonly object: T;
}

/** Calls `changed` with all objects, by uid, after each change. Never ends. */
export async function follow<T extends Watched>(
  access: ApiAccess,
  client: ApiClient,
  path: string,
  changed: (objects: ReadonlyMap<string, T>) => void,
): Promise<never> {
  for (;;) {
    try {
      const { status, body } = await client.call("GET", path);
      if (status !== 200) throw new Error(`GET ${path} answered ${status}`);
      const list = body as List<T>;
      const objects = new Map(list.items.map((object) => [object.metadata.uid, object]));
      changed(objects);
      await followChanges<T>(access, `${path}?watch=true&resourceVersion=${list.metadata.resourceVersion}`, (event) => {
        if (event.type === "DELETED") objects.delete(event.object.metadata.uid);
        else objects.set(event.object.metadata.uid, event.object);
        changed(objects);
      });
    } catch (error) {
      console.error(error);
    }
    await sleep(200);
  }
}

/** Resolves when the stream ends, rejects when it breaks or the server says that the version is too old. */
function followChanges<T>(access: ApiAccess, path: string, on: (event: Event<T>) => void): Promise<void> {
  const agent = new Agent({ ca: readFileSync(access.certificateAuthority) });
  return new Promise<void>((resolve, reject) => {
    const outgoing = request(
      new URL(path, access.server),
      { agent, headers: { authorization: `Bearer ${access.token}`, accept: "application/json" } },
      (response: IncomingMessage) => {
        if (response.statusCode !== 200) {
          response.resume();
          reject(new Error(`${path} answered ${response.statusCode}`));
          return;
        }
        let partial = "";
        response.setEncoding("utf8");
        response.on("data", (text: string) => {
          const lines = (partial + text).split("\n");
          partial = lines.pop() ?? "";
          for (const line of lines) {
            const event = JSON.parse(line) as Event<T>;
            if (event.type === "ERROR") {
              outgoing.destroy(new Error(`${path}: ${JSON.stringify(event.object)}`));
              return;
            }
            on(event);
          }
        });
        response.once("error", reject);
        response.once("end", () => resolve());
      },
    );
    outgoing.once("error", reject);
    outgoing.end();
  }).finally(() => agent.destroy());
}
