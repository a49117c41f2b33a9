import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, mkdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Release } from "./catalog";
import { ToolchainError } from "./errors";
import type { Step } from "./progress";

export interface DownloadOptions {
  /** Milliseconds that the publisher has to answer at all. Default 4000: a machine without a way out must not wait. */
  readonly answerWithin?: number;
  /** Milliseconds without a single byte after which a running download is given up. Default 30000. */
  readonly stalledAfter?: number;
  readonly signal?: AbortSignal;
  readonly step?: Step;
}

/** The publisher's checksum for a release, or undefined where it cannot be reached or says nothing usable. */
export async function fetchChecksum(release: Release, options: DownloadOptions = {}): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(options.answerWithin ?? 4000);
    const response = await fetch(release.checksumUrl, {
      signal: options.signal ? AbortSignal.any([signal, options.signal]) : signal,
    });
    return response.ok ? checksumIn(await response.text(), release.listedAs) : undefined;
  } catch {
    // no name service, no route, no answer in time: all of them mean "not from here"
    options.signal?.throwIfAborted();
    return undefined;
  }
}

/** The sha256 of `name` in the text of a checksum file; of a file that is one bare hash where `name` is absent. */
export function checksumIn(text: string, name: string | undefined): string | undefined {
  for (const line of text.split("\n")) {
    const [sum, file] = line.trim().split(/\s+\*?/);
    if (!sum || !/^[0-9a-f]{64}$/i.test(sum)) continue;
    if (name === undefined || file === name) return sum.toLowerCase();
  }
  return undefined;
}

/**
 * Fetches a release into `file` and checks it against `expected`. What an interrupted download left in `file` is
 * continued, not fetched again. The file is removed when it is not what the publisher says.
 * @throws ToolchainError "checksum-mismatch"
 * @throws Error where the connection breaks (the part stays)
 */
export async function download(
  release: Release,
  expected: string,
  file: string,
  options: DownloadOptions = {},
): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  await fetchRest(release.url, file, options);
  const actual = await hashOf(file);
  if (actual !== expected) {
    rmSync(file, { force: true });
    throw new ToolchainError(
      "checksum-mismatch",
      `${release.url} is refused: its sha256 is ${actual}, its publisher gives ${expected}. ` +
        "Somebody between here and there changed it, or it arrived damaged; nothing of it was kept.",
    );
  }
}

async function fetchRest(url: string, file: string, options: DownloadOptions): Promise<void> {
  const have = sizeOf(file);
  const stalled = new AbortController();
  const stalledAfter = options.stalledAfter ?? 30_000;
  let timer = setTimeout(() => stalled.abort(new Error(`${url} sent nothing for ${stalledAfter} ms`)), stalledAfter);
  const signal = options.signal ? AbortSignal.any([stalled.signal, options.signal]) : stalled.signal;
  try {
    const response = await fetch(url, { signal, headers: have > 0 ? { range: `bytes=${have}-` } : {} });
    // 416: the part is already as long as the whole; the checksum decides
    if (response.status === 416) return;
    if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
    const continued = response.status === 206;
    let received = continued ? have : 0;
    const total = received + Number(response.headers.get("content-length") ?? 0);
    const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]);
    body.on("data", (chunk: Buffer) => {
      received += chunk.length;
      clearTimeout(timer);
      timer = setTimeout(() => stalled.abort(new Error(`${url} sent nothing for ${stalledAfter} ms`)), stalledAfter);
      options.step?.update(`${megabytes(received)}${total > received ? ` of ${megabytes(total)}` : ""} MB`);
    });
    await pipeline(body, createWriteStream(file, { flags: continued ? "a" : "w" }));
  } finally {
    clearTimeout(timer);
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
