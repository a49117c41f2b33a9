/** Packages for programs in Python, kept between runs. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { ToolchainError, cacheFolder } from "../../lab/toolchain/index";
import { findOnPath } from "../../lab/toolchain/lookup";
import { run } from "./shared-lab";

/** Builds the SDK. */
const builder = "setuptools==80.9.0";

/**
 * Environment in which Python finds the packages that a file of requirements lists, installed once, and the SDK in a folder.
 *
 * @throws ToolchainError "no-way" where there is no Python, or pip does not get the packages
 */
export async function pythonPackages(requirements: string, sdk: string): Promise<Readonly<Record<string, string>>> {
  if (findOnPath("python3", process.env["PATH"]) === undefined) {
    throw new ToolchainError("no-way", "no python3 on PATH");
  }
  const version = await run("python3", ["-c", "import sys; print(sys.version)"]);
  const hash = createHash("sha256").update(version.output).update(builder).update(readFileSync(requirements));
  const kept = path.join(cacheFolder(), "python", hash.digest("hex").slice(0, 16));
  if (!existsSync(kept)) {
    const problem = await installInto(kept, ["-r", requirements, builder]);
    if (problem !== undefined) throw new ToolchainError("no-way", problem);
  }
  // an SDK reads its version from what pip writes; what builds it is there already, so that no network is needed
  const installed = path.join(sdk, "installed");
  const problem = await pipInstall(installed, ["--no-deps", "--no-build-isolation", "--no-index", sdk], kept);
  if (problem !== undefined) throw new Error(problem);
  return { PYTHONPATH: [kept, installed].join(path.delimiter), PYTHONDONTWRITEBYTECODE: "1" };
}

/** The folder is there with everything in it, or not at all; what is wrong otherwise. */
async function installInto(folder: string, what: readonly string[]): Promise<string | undefined> {
  mkdirSync(path.dirname(folder), { recursive: true });
  const made = mkdtempSync(`${folder}.`);
  try {
    const problem = await pipInstall(made, what);
    // another run may have been faster
    if (problem === undefined && !existsSync(folder)) renameSync(made, folder);
    return problem;
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

/** Installs packages into a folder; says why it cannot. */
async function pipInstall(folder: string, what: readonly string[], found = ""): Promise<string | undefined> {
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder, ...what];
  const { code, output } = await run("python3", pip, { env: { ...process.env, PYTHONPATH: found } });
  return code === 0 ? undefined : `pip cannot install ${what.join(" ")}: ${output.trim().split("\n").at(-1) ?? ""}`;
}
