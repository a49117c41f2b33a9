/** A Helm repository on this machine, with charts that hold nothing: enough for the provider, which reads each chart that it is to install. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";

export interface ChartRepository {
  readonly url: string;
  close(): void;
}

/** Serves empty charts of these names and versions. */
export async function chartRepository(
  charts: readonly (readonly [name: string, version: string])[],
): Promise<ChartRepository> {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-charts-"));
  const files = new Map<string, Buffer>();
  const entries: Record<string, object[]> = {};
  for (const [name, version] of charts) {
    const file = `${name}-${version}.tgz`;
    const about = { apiVersion: "v2", name, version };
    mkdirSync(path.join(folder, name), { recursive: true });
    writeFileSync(path.join(folder, name, "Chart.yaml"), JSON.stringify(about));
    const packed = spawnSync("tar", ["-czf", file, name], { cwd: folder });
    if (packed.status !== 0) throw new Error(`tar: ${packed.stderr.toString()}`);
    files.set(`/${file}`, readFileSync(path.join(folder, file)));
    (entries[name] ??= []).push({ ...about, urls: [file] });
  }
  rmSync(folder, { recursive: true });
  files.set("/index.yaml", Buffer.from(JSON.stringify({ apiVersion: "v1", entries })));
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? "");
    response.statusCode = file === undefined ? 404 : 200;
    response.end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() };
}
