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

/** Programs that come out of packages together. */
export interface PackagedPrograms {
  /** Name of the entry in the cache. */
  readonly entry: string;
  /** What they are, for a person: "clang, iptables and ipset". */
  readonly what: string;
  /** Packages to choose from; of each list the first set that can be had is taken. */
  readonly choices: readonly (readonly string[])[];
  /** Programs of /usr/sbin that are kept, by name. */
  readonly keep: readonly string[];
  /** Further names of a kept program, which looks at the name it is called by. */
  readonly links: Readonly<Record<string, readonly string[]>>;
  /** Whether LLVM's programs are kept too. */
  readonly llvm: boolean;
  /** Programs of /usr/bin that are kept, by name. Default none. */
  readonly userPrograms?: readonly string[];
  /** Folders of /usr/share that are kept, by their paths there. Default none. */
  readonly shared?: readonly string[];
  /** Who needs them. Default: the datapath. */
  readonly neededBy?: string;
}

const perFamily = (...names: readonly string[]): string[] =>
  ["iptables", "ip6tables"].flatMap((family) => names.map((name) => `${family}${name}`));

/** What cilium-agent calls: a compiler that 1.20 takes, the one it was measured with first. */
export const ciliumPackages: PackagedPrograms = {
  entry: "datapath-programs",
  what: "clang (18 or newer), iptables and ipset",
  choices: ["clang-19", "clang-20", "clang-18"].map((compiler) => [compiler, "iptables", "ipset"]),
  keep: ["xtables-nft-multi", "ipset"],
  links: { "xtables-nft-multi": perFamily("", "-save", "-restore") },
  llvm: true,
};

/** What Felix calls, in either mode. */
export const calicoPackages: PackagedPrograms = {
  entry: "calico-programs",
  what: "nft, iptables, ipset and conntrack",
  choices: [["nftables", "iptables", "ipset", "conntrack"]],
  keep: ["xtables-nft-multi", "xtables-legacy-multi", "ipset", "nft", "conntrack"],
  links: {
    "xtables-nft-multi": perFamily("", "-save", "-restore", "-nft", "-nft-save", "-nft-restore"),
    "xtables-legacy-multi": perFamily("-legacy", "-legacy-save", "-legacy-restore"),
  },
  llvm: false,
};

/**
 * The oldest Prometheus that the rules are for, and Alertmanager with its templates. Debian 12 has 2.42, where
 * `keep_firing_for` begins, and 0.25.
 */
export const prometheusPackages: PackagedPrograms = {
  entry: "prometheus-programs",
  what: "prometheus, promtool, alertmanager and amtool",
  choices: [["prometheus", "prometheus-alertmanager"]],
  keep: [],
  links: {},
  llvm: false,
  userPrograms: ["prometheus", "promtool", "prometheus-alertmanager", "amtool"],
  shared: ["prometheus/alertmanager"],
  neededBy: "Monitoring",
};

/**
 * Programs out of the distribution's packages.
 * @throws DatapathError "not-here" where there is no apt or it cannot fetch them
 */
export async function unpackedPrograms(
  wanted: PackagedPrograms,
  progress: Progress,
  env: NodeJS.ProcessEnv,
): Promise<UnpackedPrograms> {
  if (!findOnPath("apt-get", env.PATH) || !findOnPath("dpkg-deb", env.PATH)) {
    throw new DatapathError(
      "not-here",
      `${wanted.neededBy ?? "The datapath"} needs ${wanted.what} on PATH; where apt is, the lab fetches them itself.`,
    );
  }
  const entry = new CacheEntry(cacheFolder(env), "tools", wanted.entry, distribution());
  const found = await entry.find();
  if (typeof found === "object") return programsIn(found.folder);
  return await entry.locked(
    async (lost) => {
      const meanwhile = await entry.find();
      if (typeof meanwhile === "object") return programsIn(meanwhile.folder);
      const step = progress.step(`fetching ${wanted.what} as packages of this distribution`);
      try {
        const made = await entry.put("download", (folder) => fetchInto(wanted, folder, env, lost));
        step.done();
        return programsIn(made.folder);
      } catch (error) {
        step.fail();
        throw error;
      }
    },
    () => progress.note(`another start is fetching ${wanted.what}: waiting for it`),
  );
}

/** "debian-12-x64": packages of one release do not run on another. */
function distribution(): string {
  const text = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const value = (name: string): string => new RegExp(`^${name}="?([\\w.-]+)"?$`, "m").exec(text)?.[1] ?? "unknown";
  return `${value("ID")}-${value("VERSION_ID")}-${process.arch}`;
}

async function fetchInto(
  wanted: PackagedPrograms,
  folder: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<void> {
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
    if (updated.code !== 0) throw cannotFetch(wanted, updated.stderr);
    const download = ["install", "--download-only", "--no-install-recommends", "--reinstall"];
    let complaint = "";
    for (const packages of wanted.choices) {
      const result = await apt([...download, ...packages]);
      complaint ||= result.stderr;
      if (result.code === 0) {
        await unpack(wanted, archives, work, folder, signal);
        return;
      }
    }
    throw cannotFetch(wanted, complaint);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function cannotFetch({ what, neededBy = "The datapath" }: PackagedPrograms, complaint: string): DatapathError {
  const said = complaint.split("\n").filter((line) => line.startsWith("E: "));
  return new DatapathError(
    "not-here",
    `${neededBy} needs ${what} on PATH, and apt cannot fetch them here: ${said[0] ?? "no reason was given"}`,
  );
}

/** Takes programs and libraries out of the packages; documentation and headers stay behind. */
async function unpack(
  wanted: PackagedPrograms,
  archives: string,
  work: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const root = path.join(work, "root");
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    const result = await run("dpkg-deb", ["-x", path.join(archives, file), root], { signal });
    if (result.code !== 0) throw new DatapathError("not-here", `${file} cannot be unpacked: ${result.stderr.trim()}`);
  }
  const keep = (from: string, to: string): void =>
    cpSync(from, path.join(folder, to), { recursive: true, verbatimSymlinks: true });
  for (const name of wanted.userPrograms ?? []) keep(path.join(root, "usr", "bin", name), `bin/${name}`);
  for (const name of wanted.shared ?? []) keep(path.join(root, "usr", "share", name), `share/${name}`);
  if (wanted.keep.length > 0) keepLinked(wanted, root, folder, keep);
  removeDanglingLinks(folder);
}

/** Programs of /usr/sbin with the libraries that come with them, and LLVM's. */
function keepLinked(
  wanted: PackagedPrograms,
  root: string,
  folder: string,
  keep: (from: string, to: string) => void,
): void {
  const library = path.join(root, "usr", "lib");
  const triplet = readdirSync(library).find((name) => name.endsWith("-linux-gnu"));
  const llvm = wanted.llvm ? readdirSync(library).find((name) => name.startsWith("llvm-")) : undefined;
  if (!triplet || (wanted.llvm && !llvm)) {
    throw new DatapathError("not-here", `the packages of ${wanted.what} do not hold what they should`);
  }
  for (const name of readdirSync(path.join(library, triplet))) {
    if (/\.so(\.\d+)*$/.test(name) || name === "xtables") keep(path.join(library, triplet, name), `lib/${name}`);
  }
  if (llvm) keep(path.join(library, llvm, "bin"), "bin");
  for (const name of wanted.keep) keep(path.join(root, "usr", "sbin", name), `bin/${name}`);
  for (const [program, names] of Object.entries(wanted.links)) {
    for (const name of names) symlinkSync(program, path.join(folder, "bin", name));
  }
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
