import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Pulumi's language hosts that are built from Go modules. The one for Node cannot be: the lab has its own. */
export type LanguageHostName =
  "pulumi-language-yaml" | "pulumi-language-python" | "pulumi-language-go" | "pulumi-language-java";

/**
 * The programs that the lab runs. `pulumi-resource-kubernetes` is Pulumi's own Kubernetes provider; the lab's own small
 * programs are `sdk-generator` and `older-sdk-generator`, which write SDKs with Pulumi's generators, and `datapath-helper`,
 * which works inside network namespaces.
 */
export type ToolName =
  | "pulumi"
  | "pulumi-resource-kubernetes"
  | LanguageHostName
  | "sdk-generator"
  | "older-sdk-generator"
  | "etcd"
  | "kube-apiserver"
  | "kube-controller-manager"
  | "kubectl"
  | "kube-proxy"
  | "cilium-agent"
  | "cilium-cni"
  | "hubble"
  | "calico-felix"
  | "calico-apiserver"
  | "promtool"
  | "kube-state-metrics"
  | "kustomize-controller"
  | "datapath-helper";

/** An operating system and processor as Go names them. */
export interface Platform {
  readonly os: "linux" | "darwin";
  readonly arch: "amd64" | "arm64";
}

/** Where a publisher offers the program: an archive or the program itself, and the file with its sha256. */
export interface Release {
  readonly url: string;
  readonly checksumUrl: string;
  /** Name by which the checksum file lists `url`; a checksum file of one bare hash has none. */
  readonly listedAs?: string;
  /** Folder inside the archive whose files are kept; absent when the download is the program itself. */
  readonly archiveFolder?: string;
  /** Which files of that folder are kept; all of them where absent. */
  readonly keep?: readonly string[];
}

/** What the lab knows about one program. */
export interface ToolSpec {
  readonly name: ToolName;
  /** Folder below lab/ with the go.mod that pins the version. */
  readonly moduleFolder: string;
  /** The package that is built. */
  readonly goPackage: string;
  readonly ldflags: (version: string) => string;
  /** Files that the package embeds and that lie in another module: their names in `moduleFolder`, and where they lie there. */
  readonly embeds?: { readonly module: string; readonly files: Readonly<Record<string, string>> };
  /** A script that lies beside the program and comes from the same module: its path there. */
  readonly script?: { readonly module: string; readonly file: string };
  /** Go build tags, separated by commas; none where absent. */
  readonly tags?: string;
  readonly version: (labFolder: string) => string;
  /** Arguments that make the program print its version, which costs no network and no cluster. */
  readonly versionArgs: readonly string[];
  /** The stream it is printed on. Default "stdout". */
  readonly versionStream?: "stderr";
  /** The official release; undefined where the publisher offers none for this platform. */
  readonly release: (version: string, platform: Platform) => Release | undefined;
  /** Whether KUBEBUILDER_ASSETS may hold it. */
  readonly kubebuilderAsset: boolean;
  /** Whether a program of this name on PATH is the same program. */
  readonly onPath: boolean;
  /** A plugin of Pulumi: its folder below `plugins` in a Pulumi home, which tells its version. */
  readonly pluginFolder?: (version: string) => string;
}

/** A program that is neither downloaded nor taken from the machine: it is released otherwise, or the lab's own. */
const onlyBuilt = { release: () => undefined, kubebuilderAsset: false, onPath: false } as const;

const kubernetesModule = "k8s.io/kubernetes";

/** Version of a module as the `require` lines of a go.mod pin it, without the leading "v". */
export function requiredVersion(goMod: string, module: string): string {
  for (const line of goMod.split("\n")) {
    const words = line
      .replace(/^\s*require\s+/, "")
      .trim()
      .split(/\s+/);
    if (words[0] === module && words[1]?.startsWith("v")) return words[1].slice(1);
  }
  throw new Error(`go.mod does not require ${module}`);
}

function pinned(moduleFolder: string, module: string): (labFolder: string) => string {
  return (labFolder) => requiredVersion(readFileSync(path.join(labFolder, moduleFolder, "go.mod"), "utf8"), module);
}

function kubernetesFlags(version: string): string {
  const [major, minor] = version.split(".");
  const symbol = "k8s.io/component-base/version";
  return [
    "-s -w",
    `-X ${symbol}.gitVersion=v${version}`,
    `-X ${symbol}.gitMajor=${major ?? ""}`,
    `-X ${symbol}.gitMinor=${minor ?? ""}`,
    `-X ${symbol}.gitTreeState=clean`,
  ].join(" ");
}

function kubernetes(name: "kube-apiserver" | "kube-controller-manager" | "kubectl" | "kube-proxy"): ToolSpec {
  return {
    name,
    moduleFolder: "modules/control-plane",
    goPackage: `${kubernetesModule}/cmd/${name}`,
    ldflags: kubernetesFlags,
    version: pinned("modules/control-plane", kubernetesModule),
    versionArgs: name === "kubectl" ? ["version", "--client"] : ["--version"],
    release: (version, { os, arch }) => {
      // server programs are released for Linux only
      if (os !== "linux" && name !== "kubectl") return undefined;
      const url = `https://dl.k8s.io/release/v${version}/bin/${os}/${arch}/${name}`;
      return { url, checksumUrl: `${url}.sha256` };
    },
    kubebuilderAsset: true,
    onPath: true,
  };
}

/** Released as container images only, so they are built; what is on PATH is passed over: the lab's facts are of one version. */
function cilium(name: "cilium-agent" | "cilium-cni" | "hubble", folder: string): ToolSpec {
  const module = "github.com/cilium/cilium";
  return {
    name,
    moduleFolder: "modules/cilium",
    goPackage: `${module}/${folder}`,
    ldflags: (version) => `-s -w -X ${module}/pkg/version.ciliumVersion=${version}`,
    tags: "osusergo",
    version: pinned("modules/cilium", module),
    versionArgs: name === "hubble" ? ["version"] : ["--version"],
    ...(name === "cilium-cni" ? { versionStream: "stderr" } : {}),
    ...onlyBuilt,
  };
}

/**
 * Release of pulumi-kubernetes that the lab's provider is: its module has no tagged versions, and the one that the lab
 * builds is the day before 4.25.0.
 */
const kubernetesProviderVersion = "4.25.0";

/**
 * Pulumi's provider for Kubernetes. What it is built from is a part of the version, so that another source is another
 * program; the program itself says the release alone.
 */
const kubernetesProvider: ToolSpec = {
  name: "pulumi-resource-kubernetes",
  moduleFolder: "modules/kubernetes-provider",
  goPackage: ".",
  ldflags: (version) =>
    `-s -w -X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=${releaseOf(version)}`,
  embeds: {
    module: "github.com/pulumi/pulumi-kubernetes/provider/v4",
    files: {
      "schema.json": "cmd/pulumi-resource-kubernetes/schema.json",
      "terraform-mapping.json": "cmd/pulumi-resource-kubernetes/terraform-mapping.json",
    },
  },
  version: (labFolder) =>
    `${kubernetesProviderVersion}+${sourceHash(path.join(labFolder, "modules/kubernetes-provider"))}`,
  versionArgs: ["--version"],
  ...onlyBuilt,
  pluginFolder: (version) => `resource-kubernetes-v${releaseOf(version)}`,
};

/** A language host does not tell its version, only how it is used. */
function languageHost(
  name: LanguageHostName,
  moduleFolder: string,
  module: string,
  folder: string,
  script?: string,
): ToolSpec {
  return {
    name,
    moduleFolder,
    goPackage: `${module}/${folder}`,
    ldflags: () => "-s -w",
    ...(script === undefined ? {} : { script: { module, file: script } }),
    version: pinned(moduleFolder, module),
    versionArgs: ["-help"],
    versionStream: "stderr",
    ...onlyBuilt,
  };
}

const sdkModule = "github.com/pulumi/pulumi/sdk/v3";

/**
 * Pulumi's language hosts. What came with a `pulumi` is used in their place, see `provideLanguages`. 3.66.0 is the last
 * version of Pulumi's Go SDK that holds the hosts for Python and Go.
 */
const languageHosts: readonly ToolSpec[] = [
  languageHost(
    "pulumi-language-yaml",
    "modules/language-yaml",
    "github.com/pulumi/pulumi-yaml",
    "cmd/pulumi-language-yaml",
  ),
  languageHost(
    "pulumi-language-python",
    "modules/language-hosts",
    sdkModule,
    "python/cmd/pulumi-language-python",
    "python/cmd/pulumi-language-python-exec",
  ),
  languageHost("pulumi-language-go", "modules/language-hosts", sdkModule, "go/pulumi-language-go"),
  // 0.9.9 is the newest version of the module that is served
  languageHost(
    "pulumi-language-java",
    "modules/older-generators",
    "github.com/pulumi/pulumi-java/pkg",
    "cmd/pulumi-language-java",
  ),
];

/** A version without its build metadata: "4.25.0" of "4.25.0+1c2d". */
export function releaseOf(version: string): string {
  return version.split("+")[0] ?? version;
}

/** Release of Calico that the lab runs: its module has no tagged versions, and the lab builds the commit of this release. */
export const calicoVersion = "3.31.0";
const calicoModule = "github.com/projectcalico/calico";

/** Felix and Calico's API server. They are released in container images only, so they are built. */
function calico(name: "calico-felix" | "calico-apiserver", folder: string): ToolSpec {
  const about = `${calicoModule}/pkg/buildinfo`;
  return {
    name,
    moduleFolder: "modules/calico",
    goPackage: `${calicoModule}/${folder}`,
    ldflags: (version) => `-s -w -X ${about}.Version=v${releaseOf(version)}`,
    version: (labFolder) => `${calicoVersion}+${sourceHash(path.join(labFolder, "modules/calico"))}`,
    // the API server tells no version of its own
    versionArgs: [name === "calico-felix" ? "--version" : "--help"],
    ...onlyBuilt,
  };
}

const prometheusModule = "github.com/prometheus/prometheus";

/**
 * Judges rules with the Prometheus of today. Its Go module is numbered 0.316.0 where the release is 3.16.0. Service
 * discovery is left out: rules need none, and it is most of the build.
 */
const promtool: ToolSpec = {
  name: "promtool",
  moduleFolder: "modules/prometheus",
  goPackage: `${prometheusModule}/cmd/promtool`,
  ldflags: (version) => `-s -w -X github.com/prometheus/common/version.Version=${version}`,
  tags: "remove_all_sd",
  version: (labFolder) => {
    const [, minor = "", patch = ""] = pinned("modules/prometheus", prometheusModule)(labFolder).split(".");
    return `${minor.slice(0, -2)}.${Number(minor.slice(-2))}.${patch}`;
  },
  versionArgs: ["--version"],
  release: (version, { os, arch }) => {
    const folder = `prometheus-${version}.${os}-${arch}`;
    const base = `https://github.com/prometheus/prometheus/releases/download/v${version}`;
    return {
      url: `${base}/${folder}.tar.gz`,
      checksumUrl: `${base}/sha256sums.txt`,
      listedAs: `${folder}.tar.gz`,
      archiveFolder: folder,
      keep: ["promtool"],
    };
  },
  kubebuilderAsset: false,
  // rules are judged by the newest and by the oldest Prometheus that they are for, not by any between
  onPath: false,
};

const stateMetricsModule = "k8s.io/kube-state-metrics/v2";

/** Exports the state of Jobs and policies as metrics, which alerts about break glass are judged by. Released as an image only. */
const kubeStateMetrics: ToolSpec = {
  name: "kube-state-metrics",
  moduleFolder: "modules/kube-state-metrics",
  goPackage: stateMetricsModule,
  ldflags: (version) => `-s -w -X github.com/prometheus/common/version.Version=${version}`,
  version: pinned("modules/kube-state-metrics", stateMetricsModule),
  versionArgs: ["version"],
  ...onlyBuilt,
};

const fluxModule = "github.com/fluxcd/kustomize-controller";

/** Flux's applier of Kustomizations. It is released as a container image only, so it is built; it tells no version, only its flags. */
const kustomizeController: ToolSpec = {
  name: "kustomize-controller",
  moduleFolder: "modules/flux",
  goPackage: fluxModule,
  ldflags: () => "-s -w",
  version: pinned("modules/flux", fluxModule),
  versionArgs: ["--help"],
  versionStream: "stderr",
  ...onlyBuilt,
};

/** A program of ours: it has no release, its version is its source, and one of that name on PATH is another program. */
function ourOwn(
  name: "datapath-helper" | "sdk-generator" | "older-sdk-generator",
  moduleFolder: string,
  goPackage = ".",
): ToolSpec {
  return {
    name,
    moduleFolder,
    goPackage,
    ldflags: () => "-s -w",
    version: (labFolder) => `source-${sourceHash(path.join(labFolder, moduleFolder))}`,
    versionArgs: ["version"],
    ...onlyBuilt,
  };
}

const specs: readonly ToolSpec[] = [
  {
    name: "pulumi",
    moduleFolder: "modules/pulumi",
    goPackage: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    ldflags: (version) => `-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v${version}`,
    version: pinned("modules/pulumi", "github.com/pulumi/pulumi/pkg/v3"),
    versionArgs: ["version"],
    release: (version, { os, arch }) => {
      const base = "https://get.pulumi.com/releases/sdk";
      const file = `pulumi-v${version}-${os}-${arch === "amd64" ? "x64" : arch}.tar.gz`;
      return {
        url: `${base}/${file}`,
        checksumUrl: `${base}/pulumi-${version}-checksums.txt`,
        listedAs: file,
        archiveFolder: "pulumi",
      };
    },
    kubebuilderAsset: false,
    onPath: true,
  },
  kubernetesProvider,
  ...languageHosts,
  ourOwn("sdk-generator", "modules/pulumi", "./sdk-generator"),
  ourOwn("older-sdk-generator", "modules/older-generators"),
  {
    name: "etcd",
    moduleFolder: "modules/control-plane",
    goPackage: "go.etcd.io/etcd/server/v3",
    ldflags: () => "-s -w",
    version: pinned("modules/control-plane", "go.etcd.io/etcd/server/v3"),
    versionArgs: ["--version"],
    release: (version, { os, arch }) => {
      // for macOS etcd is released as zip only
      if (os !== "linux") return undefined;
      const folder = `etcd-v${version}-${os}-${arch}`;
      const base = `https://github.com/etcd-io/etcd/releases/download/v${version}`;
      return {
        url: `${base}/${folder}.tar.gz`,
        checksumUrl: `${base}/SHA256SUMS`,
        listedAs: `${folder}.tar.gz`,
        archiveFolder: folder,
        keep: ["etcd"],
      };
    },
    kubebuilderAsset: true,
    onPath: true,
  },
  kubernetes("kube-apiserver"),
  kubernetes("kube-controller-manager"),
  kubernetes("kubectl"),
  kubernetes("kube-proxy"),
  cilium("cilium-agent", "daemon"),
  cilium("cilium-cni", "plugins/cilium-cni"),
  cilium("hubble", "hubble"),
  calico("calico-felix", "felix/cmd/calico-felix"),
  calico("calico-apiserver", "apiserver/cmd/apiserver"),
  promtool,
  kubeStateMetrics,
  kustomizeController,
  ourOwn("datapath-helper", "datapath/helper"),
];

/** What the lab knows about `name`. */
export function toolSpec(name: ToolName): ToolSpec {
  const spec = specs.find((candidate) => candidate.name === name);
  if (!spec) throw new Error(`${name} is no tool of the lab`);
  return spec;
}

/** Names of all tools, in the order in which they are provided. */
export const toolNames: readonly ToolName[] = specs.map((spec) => spec.name);

/** Hash of what a Go module of the lab is made of. */
function sourceHash(folder: string): string {
  const hash = createHash("sha256");
  if (!existsSync(folder)) throw new Error(`${folder} does not exist`);
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => /(\.go|\bgo\.mod|\bgo\.sum)$/.test(file) && !file.endsWith("_test.go"))
    .sort();
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(path.join(folder, file)))
      .update("\0");
  return hash.digest("hex").slice(0, 16);
}

/** This machine, or undefined where no tool is offered or tried for it. */
export function thisPlatform(): Platform | undefined {
  const os = process.platform === "linux" || process.platform === "darwin" ? process.platform : undefined;
  const arch = process.arch === "x64" ? "amd64" : process.arch === "arm64" ? "arm64" : undefined;
  return os && arch ? { os, arch } : undefined;
}
