/** Finds the kubeconfig that the provider's configuration names: a path, its contents, or kubectl's own rules. */
import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { load } from "js-yaml";

export interface KubeconfigChoice {
  /** Path or contents; empty means KUBECONFIG, then ~/.kube/config, then the service account of a pod. */
  kubeconfig?: string | undefined;
  context?: string | undefined;
  cluster?: string | undefined;
}

function expandHome(file: string): string {
  if (file === "~") return homedir();
  return file.startsWith("~/") ? path.join(homedir(), file.slice(2)) : file;
}

function isFile(candidate: string): boolean {
  // contents are longer than any path and hold line breaks
  if (candidate.length > 4096 || candidate.includes("\n")) return false;
  return existsSync(candidate) && statSync(candidate).isFile();
}

/** Throws where there is no usable configuration; the message names the cause and no content. */
export function loadKubeconfig(choice: KubeconfigChoice): KubeConfig {
  const config = new KubeConfig();
  const given = choice.kubeconfig?.trim() ?? "";
  if (given === "") {
    config.loadFromDefault();
  } else if (isFile(expandHome(given))) {
    config.loadFromFile(expandHome(given));
  } else {
    const parsed = parseContents(given);
    if (!parsed) throw new Error("it is neither a file that exists nor the contents of a kubeconfig");
    config.loadFromString(given);
  }
  if (choice.context) config.setCurrentContext(choice.context);
  const context = config.getContextObject(config.getCurrentContext());
  if (!context) throw new Error(`context ${JSON.stringify(config.getCurrentContext() ?? "")} does not exist`);
  if (choice.cluster) {
    config.contexts = config.contexts.map((each) =>
      each.name === context.name ? { ...each, cluster: choice.cluster as string } : each,
    );
  }
  if (!config.getCurrentCluster())
    throw new Error(`cluster ${JSON.stringify(choice.cluster ?? context.cluster)} does not exist`);
  return config;
}

/** The configuration as JSON. Credentials that are given as files stay paths, which are absolute. */
export function selfContained(config: KubeConfig): string {
  const exported = JSON.parse(config.exportConfig()) as Record<string, unknown>;
  return JSON.stringify({ apiVersion: "v1", kind: "Config", ...exported });
}

function parseContents(text: string): boolean {
  try {
    const parsed: unknown = load(text);
    return typeof parsed === "object" && parsed !== null && "clusters" in parsed;
  } catch {
    return false;
  }
}

/**
 * What identifies the cluster that a kubeconfig's contents point at, for telling whether a changed kubeconfig means a
 * different cluster. A path stands for itself: what the file holds may change without the cluster changing.
 */
export function activeCluster(choice: KubeconfigChoice): string {
  const given = choice.kubeconfig?.trim() ?? "";
  if (given === "" || !parseContents(given)) return JSON.stringify([given, choice.context ?? "", choice.cluster ?? ""]);
  try {
    const cluster = loadKubeconfig(choice).getCurrentCluster();
    return JSON.stringify([cluster?.server, cluster?.caData, cluster?.caFile]);
  } catch {
    return JSON.stringify([given, choice.context ?? "", choice.cluster ?? ""]);
  }
}
