/** Lists as a whole, however many pages the API server makes of them. */
import type { ApiClient } from "./api-client";
import { ApiError } from "./errors";

interface Page {
  readonly items: readonly Record<string, unknown>[];
  readonly next: string | undefined;
}

/** How often a list is begun again because its continue token expired (410) before it gives up. */
const restarts = 3;

/** All pages of a list. A token that expires on the way (410 Gone) begins the list again, so the list is one moment's. */
export async function listAll(client: ApiClient, path: string, pageSize: number): Promise<Record<string, unknown>[]> {
  for (let restart = 0; ; restart++) {
    try {
      const items: Record<string, unknown>[] = [];
      let token: string | undefined;
      do {
        const query = new URLSearchParams({ limit: String(pageSize), ...(token ? { continue: token } : {}) });
        const page = pageOf(await client.get(`${path}${path.includes("?") ? "&" : "?"}${query.toString()}`));
        if (page === undefined) throw client.notUnderstood(path, "no list of objects");
        if (page.next !== undefined && page.next === token) throw client.notUnderstood(path, "the same page again");
        // one by one: a page is larger than the number of arguments a call may have
        for (const item of page.items) items.push(item);
        token = page.next;
      } while (token !== undefined);
      return items;
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 410 && restart < restarts)) throw error;
    }
  }
}

/** Undefined for what is no list: nothing is no answer to what there is. Go writes null for a list without items. */
function pageOf(value: unknown): Page | undefined {
  const { kind, items, metadata } = value as { kind?: unknown; items?: unknown; metadata?: { continue?: unknown } };
  const next = typeof metadata?.continue === "string" && metadata.continue !== "" ? metadata.continue : undefined;
  const isList = typeof kind === "string" && kind.endsWith("List");
  if ((items === null || items === undefined) && isList) return { items: [], next };
  if (!Array.isArray(items) || !items.every(isObject)) return undefined;
  return { items: items as Record<string, unknown>[], next };
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
