import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ToolchainError } from "./errors";
import { findOnPath } from "./lookup";
import { run } from "./run";

/**
 * Downloads one Go module (not what it depends on) and returns the folder with its sources. Its content is checked against
 * the go.sum of `pinFolder`, or against the public checksum database where go.sum does not know the version.
 * @throws ToolchainError "no-way" without Go or where the module cannot be fetched, "checksum-mismatch"
 */
export async function downloadGoModule(
  module: string,
  version: string,
  pinFolder: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const name = `${module} v${version}`;
  const go = findOnPath("go", env.PATH);
  if (!go)
    throw new ToolchainError("no-way", `${name} is needed and not in the cache; fetching it takes Go 1.26 or newer`);
  // a copy, so that go never writes into the sources of the lab
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-"));
  try {
    for (const file of ["go.mod", "go.sum"]) copyFileSync(path.join(pinFolder, file), path.join(folder, file));
    const result = await run(go, ["mod", "download", "-json", `${module}@v${version}`], {
      cwd: folder,
      env: { ...env, GOFLAGS: "-mod=readonly", GOWORK: "off" },
    });
    const answer = parse(result.stdout);
    if (result.code === 0 && answer?.Dir) return answer.Dir;
    const said = answer?.Error ?? result.stderr.trim();
    if (/checksum mismatch|SECURITY ERROR/.test(`${said}${result.stderr}`)) {
      throw new ToolchainError("checksum-mismatch", `${name} is refused: it is not what its checksum says.\n${said}`);
    }
    throw new ToolchainError("no-way", `${name} cannot be fetched: ${said.split("\n")[0] ?? "no reason was given"}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function parse(text: string): { Dir?: string; Error?: string } | undefined {
  try {
    return JSON.parse(text) as { Dir?: string; Error?: string };
  } catch {
    return undefined;
  }
}
