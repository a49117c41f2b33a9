/**
 * What other projects publish and suites read: definitions and values of charts. They lie beside some checkouts; elsewhere
 * `npm run fixtures` fetches them into the cache. None of it belongs to this repository.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { cacheFolder } from "../../lab/toolchain/cache";

const repository = path.resolve(__dirname, "..", "..");

/** Where the cache keeps what `npm run fixtures` fetched. */
export const fixturesFolder = path.join(cacheFolder(), "fixtures");

/** Names that have a version beside a checkout. */
const beside: Readonly<Record<string, string>> = {
  "crds/calico": "crds/calico-3.32.1",
  "crds/istio": "crds/istio-1.30.3",
};

/** Folder or file of a fixture; undefined where it is not there. `TEST_FIXTURES=cache` looks into the cache only. */
export function fixture(name: string): string | undefined {
  const shared = path.resolve(repository, "..", "shared", beside[name] ?? name);
  const places = [...(process.env["TEST_FIXTURES"] === "cache" ? [] : [shared]), path.join(fixturesFolder, name)];
  return places.find((place) => existsSync(place));
}
