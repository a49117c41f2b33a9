import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ToolchainError } from "../toolchain/errors";

/** Where the projects publish the sources of their releases, file by file; each Go module has its repository there. */
const repositories: Readonly<Record<string, string>> = {
  "github.com/cilium/cilium": "cilium/cilium",
  "github.com/cert-manager/cert-manager": "cert-manager/cert-manager",
  "github.com/external-secrets/external-secrets": "external-secrets/external-secrets",
  "github.com/prometheus-operator/prometheus-operator": "prometheus-operator/prometheus-operator",
  "istio.io/api": "istio/api",
  "sigs.k8s.io/gateway-api": "kubernetes-sigs/gateway-api",
  "sigs.k8s.io/network-policy-api": "kubernetes-sigs/network-policy-api",
};

/** Base of the published files of a release. */
export function publishedAt(module: string, version: string): string | undefined {
  const repository = repositories[module];
  return repository && `https://raw.githubusercontent.com/${repository}/v${version}`;
}

/**
 * Fetches files of a release into `folder`, each checked against its sha256.
 * @param answerWithin milliseconds that the publisher has for each file
 * @returns false where the publisher cannot be reached or has not all of them
 * @throws ToolchainError "checksum-mismatch"
 */
export async function fetchPublishedFiles(
  base: string,
  checksums: Readonly<Record<string, string>>,
  folder: string,
  answerWithin: number,
): Promise<boolean> {
  const [first, ...rest] = Object.keys(checksums);
  if (first === undefined) return false;
  // one file tells whether the publisher can be reached at all
  const contents = new Map<string, Buffer>();
  for (const batch of [[first], ...batches(rest, 8)]) {
    const fetched = await Promise.all(batch.map((file) => fetchFile(`${base}/${file}`, answerWithin)));
    for (const [index, file] of batch.entries()) {
      const content = fetched[index];
      if (!content) return false;
      contents.set(file, content);
    }
  }
  for (const [file, content] of contents) {
    verifyChecksum(`${base}/${file}`, content, checksums[file]);
    const target = path.join(folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, content);
  }
  return true;
}

/** @throws ToolchainError "checksum-mismatch" where the content is not the one that the lab knows */
export function verifyChecksum(name: string, content: Buffer, expected: string | undefined): void {
  const actual = createHash("sha256").update(content).digest("hex");
  if (actual === expected) return;
  throw new ToolchainError(
    "checksum-mismatch",
    `${name} is refused: its sha256 is ${actual}, the lab knows it as ${expected ?? "nothing"}; nothing of it was kept.`,
  );
}

async function fetchFile(url: string, answerWithin: number): Promise<Buffer | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(answerWithin) });
    return response.ok ? Buffer.from(await response.arrayBuffer()) : undefined;
  } catch {
    // not reachable from here: there is another way
    return undefined;
  }
}

function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
