/**
 * Programs out of Debian packages, unpacked into the cache: nothing is installed on the machine. apt works on lists and
 * a cache of its own, checks signatures as always, and leaves out what the machine has already.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { cpSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { CacheEntry, cacheFolder } from "../toolchain/cache";
import type { Progress } from "../toolchain/index";
import { findOnPath } from "../toolchain/lookup";
import { run } from "../toolchain/run";
import { DatapathError } from "./errors";

/** A folder with programs, and what the environment must say for them to run from there. */
export interface UnpackedPrograms {
  readonly bin: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Compilers that Cilium 1.20 takes, the one it was measured with first. */
const compilers = ["clang-19", "clang-20", "clang-18"] as const;

/**
 * clang, iptables and ipset out of the distribution's packages.
 * @throws DatapathError "not-here" where there is no apt or it cannot fetch them
 */
export async function unpackedPrograms(progress: Progress, env: NodeJS.ProcessEnv): Promise<UnpackedPrograms> {
  if (!findOnPath("apt-get", env.PATH) || !findOnPath("dpkg-deb", env.PATH)) {
    throw new DatapathError(
      "not-here",
      "The datapath needs clang (18 or newer), iptables and ipset on PATH; where apt is, the lab fetches them itself.",
    );
  }
  const entry = new CacheEntry(cacheFolder(env), "tools", "datapath-programs", distribution());
  const found = await entry.find();
  if (typeof found === "object") return programsIn(found.folder);
  return await entry.locked(
    async (lost) => {
      const meanwhile = await entry.find();
      if (typeof meanwhile === "object") return programsIn(meanwhile.folder);
      const step = progress.step("fetching clang, iptables and ipset as packages of this distribution");
      try {
        const made = await entry.put("download", (folder) => fetchInto(folder, env, lost));
        step.done();
        return programsIn(made.folder);
      } catch (error) {
        step.fail();
        throw error;
      }
    },
    () => progress.note("another start is fetching clang, iptables and ipset: waiting for it"),
  );
}

/** "debian-12-x64": packages of one release do not run on another. */
function distribution(): string {
  const text = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const value = (name: string): string => new RegExp(`^${name}="?([\\w.-]+)"?$`, "m").exec(text)?.[1] ?? "unknown";
  return `${value("ID")}-${value("VERSION_ID")}-${process.arch}`;
}

async function fetchInto(folder: string, env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<void> {
  const work = mkdtempSync(path.join(tmpdir(), "cluster-security-apt-"));
  try {
    const archives = path.join(work, "cache", "archives");
    for (const part of [path.join(archives, "partial"), path.join(work, "lists", "partial")]) {
      mkdirSync(part, { recursive: true });
    }
    const settings = [
      `Dir::State::Lists=${path.join(work, "lists")}`,
      `Dir::Cache=${path.join(work, "cache")}`,
      "APT::Sandbox::User=root",
      "Debug::NoLocking=true",
    ].flatMap((setting) => ["-o", setting]);
    const apt = (args: readonly string[]): ReturnType<typeof run> =>
      run("apt-get", [...settings, "-q", "-y", ...args], { env: { ...env, LC_ALL: "C" }, signal });

    const updated = await apt(["update"]);
    if (updated.code !== 0) throw cannotFetch(updated.stderr);
    const download = ["install", "--download-only", "--no-install-recommends", "--reinstall"];
    let complaint = "";
    for (const compiler of compilers) {
      const result = await apt([...download, compiler, "iptables", "ipset"]);
      complaint ||= result.stderr;
      if (result.code === 0) {
        await unpack(archives, work, folder, signal);
        return;
      }
    }
    throw cannotFetch(complaint);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function cannotFetch(complaint: string): DatapathError {
  const said = complaint.split("\n").filter((line) => line.startsWith("E: "));
  return new DatapathError(
    "not-here",
    "The datapath needs clang (18 or newer), iptables and ipset on PATH, and apt cannot fetch them here: " +
      (said[0] ?? "no reason was given"),
  );
}

/** Takes programs and libraries out of the packages; documentation and headers stay behind. */
async function unpack(archives: string, work: string, folder: string, signal: AbortSignal): Promise<void> {
  const root = path.join(work, "root");
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    const result = await run("dpkg-deb", ["-x", path.join(archives, file), root], { signal });
    if (result.code !== 0) throw new DatapathError("not-here", `${file} cannot be unpacked: ${result.stderr.trim()}`);
  }
  const library = path.join(root, "usr", "lib");
  const triplet = readdirSync(library).find((name) => name.endsWith("-linux-gnu"));
  const llvm = readdirSync(library).find((name) => name.startsWith("llvm-"));
  if (!triplet || !llvm) throw new DatapathError("not-here", "the packages of clang do not hold what they should");
  const keep = (from: string, to: string): void =>
    cpSync(from, path.join(folder, to), { recursive: true, verbatimSymlinks: true });
  for (const name of readdirSync(path.join(library, triplet))) {
    if (/\.so(\.\d+)*$/.test(name) || name === "xtables") keep(path.join(library, triplet, name), `lib/${name}`);
  }
  keep(path.join(library, llvm, "bin"), "bin");
  for (const name of ["xtables-nft-multi", "ipset"]) keep(path.join(root, "usr", "sbin", name), `bin/${name}`);
  for (const name of ["iptables", "ip6tables"]) {
    // one program that looks at the name it is called by
    for (const part of ["", "-save", "-restore"])
      symlinkSync("xtables-nft-multi", path.join(folder, "bin", `${name}${part}`));
  }
  removeDanglingLinks(folder);
}

/** Packages link to files of others that were not fetched or not kept. */
function removeDanglingLinks(folder: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink() && !existsSync(file)) rmSync(file);
  }
}

function programsIn(folder: string): UnpackedPrograms {
  const library = path.join(folder, "lib");
  return {
    bin: path.join(folder, "bin"),
    env: { LD_LIBRARY_PATH: library, XTABLES_LIBDIR: path.join(library, "xtables") },
  };
}
