/** What a tool was to fill in and has not: placeholders of templates, and values that are encrypted. */
import type { KubeObject } from "../model/objects";
import type { Problem } from "../model/problems";
import { unknownValue } from "../model/unknown";
import { unreadable } from "../readers/unread-policies";
import { shapesPolicies } from "./kinds";

export interface Gaps {
  /** The object with what is open unknown. */
  readonly object: KubeObject;
  /** That something is open, where verdicts depend on it. */
  readonly problem?: Omit<Problem, "source">;
}

const kustomizeBuild = "kustomize build FOLDER | cluster-security matrix -";

/** Ways to write what is filled in later, each with who fills it in. */
const placeholders: readonly { readonly pattern: RegExp; readonly render: string }[] = [
  { pattern: /\{\{.*?\}\}/s, render: "helm template CHART | cluster-security matrix -" },
  {
    pattern: /\$\{\{?[A-Za-z_][^{}]*\}?\}/,
    render: "flux build kustomization, envsubst or oc process fill it in",
  },
  { pattern: /\$\([A-Za-z_][A-Za-z0-9_.-]*\)/, render: kustomizeBuild },
  {
    pattern: /<%.*?%>|%%[A-Z_]+%%|@@[A-Z_]+@@|\(\(\s*[\w./-]+\s*\)\)/s,
    render: "fill it in with the tool it was written for",
  },
];
/** Names that authors write where a tool puts the namespace's own. */
const emptyNames = /^(placeholder|replace-?me|change-?me|todo|tbd|your-namespace|namespace-name)$/;
/** The form of every namespace's name (RFC 1123 label); what has another form is to be replaced. */
const namespaceName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const encrypted = /^ENC\[AES256_GCM,/;

/** Fields of a pod that verdicts depend on; others hold commands, in which such signs have a meaning of their own. */
const podFields: ReadonlySet<string> = new Set(["serviceAccountName", "serviceAccount", "hostNetwork"]);
const portFields: ReadonlySet<string> = new Set(["containerPort", "protocol", "name"]);

type Found = { readonly path: string; readonly text: string };

/** Whether an object says what Istio's sidecars know, which is all they send to under REGISTRY_ONLY. */
function isRegistration({ apiVersion, kind }: KubeObject): boolean {
  return /^(ServiceEntry|Sidecar)$/.test(kind) && apiVersion.startsWith("networking.istio.io/");
}

/** An object in which what is open is unknown. Names stay as they are written: nothing but a message depends on them. */
export function gapsIn(object: KubeObject): Gaps {
  if (encrypted.test(object.kind) || encrypted.test(object.apiVersion)) return encryptedWhole(object);
  const found: Found[] = [];
  const open = (value: unknown, path: string): unknown => opened(value, path, found);
  const metadata = object.metadata as Readonly<Record<string, unknown>> | undefined | null;
  const changed: Record<string, unknown> = {};
  if (typeof metadata === "object" && metadata !== null) {
    const isNamespace = object.kind === "Namespace" && object.apiVersion === "v1";
    changed["metadata"] = {
      ...metadata,
      ...(isNamespace ? { name: openNamespace(metadata["name"], "metadata.name", found) } : {}),
      ...("namespace" in metadata
        ? { namespace: openNamespace(metadata["namespace"], "metadata.namespace", found) }
        : {}),
      ...("labels" in metadata ? { labels: open(metadata["labels"], "metadata.labels") } : {}),
    };
  }
  if (shapesPolicies(object.apiVersion, object.kind) || isRegistration(object)) {
    for (const field of ["spec", "specs"]) if (field in object) changed[field] = open(object[field], field);
  } else if (object.kind === "Service") changed["spec"] = open(object.spec, "spec");
  else if ("spec" in object) changed["spec"] = openTemplate(object.spec, "spec", open);
  const [first] = found;
  if (first === undefined) return { object };
  const ref = {
    apiVersion: object.apiVersion,
    kind: object.kind,
    name: typeof metadata?.["name"] === "string" ? metadata["name"] : "(unnamed)",
    ...(typeof metadata?.["namespace"] === "string" ? { namespace: metadata["namespace"] } : {}),
  };
  return {
    object: { ...object, ...changed },
    problem: {
      code: "unknown-value",
      object: ref,
      message: `${first.path} is ${describeOpen(first.text)}${found.length > 1 ? ` (and ${found.length - 1} more)` : ""}`,
      affectsVerdicts: false,
    },
  };
}

function describeOpen(text: string): string {
  if (encrypted.test(text)) return "encrypted (sops): what it holds is not known; decrypt it first (sops decrypt FILE)";
  const placeholder = placeholders.find(({ pattern }) => pattern.test(text));
  const shown = text.length > 80 ? `${text.slice(0, 77)}…` : text;
  return `a placeholder that was not filled in, ${shown.replace(/\s+/g, " ")}: render the template first (${placeholder?.render ?? kustomizeBuild})`;
}

/** Encrypted from end to end: nobody can see what it is, and it may be a policy. */
function encryptedWhole(object: KubeObject): Gaps {
  const namespace: unknown = object.metadata?.namespace;
  const isKnown = typeof namespace === "string" && !encrypted.test(namespace) && namespace !== "";
  const metadata = { name: "(encrypted)", ...(isKnown ? { namespace } : {}) };
  return {
    object: { ...unreadable, metadata, spec: unknownValue },
    problem: {
      code: "unreadable",
      message: "encrypted as a whole (sops): it may be a policy; decrypt it first (sops decrypt FILE)",
      affectsVerdicts: false,
    },
  };
}

/** Whether a tool was to fill in a text, or a part of it, and has not. */
export function isOpen(text: string): boolean {
  return encrypted.test(text) || placeholders.some(({ pattern }) => pattern.test(text));
}

/** A namespace's name, or unknown where no namespace can be called so, or none is. */
function openNamespace(value: unknown, path: string, found: Found[]): unknown {
  const isName = typeof value !== "string" || value === "" || (namespaceName.test(value) && !emptyNames.test(value));
  if (isName || isOpen(value)) return opened(value, path, found);
  found.push({ path, text: value });
  return unknownValue;
}

function opened(value: unknown, path: string, found: Found[]): unknown {
  if (typeof value === "string") {
    if (!isOpen(value)) return value;
    found.push({ path, text: value });
    return unknownValue;
  }
  if (Array.isArray(value)) {
    // an item of a template may come to several
    return value.map((item, index) => opened(item, `${path}[${index}]`, found));
  }
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value);
  // a map as the key of a map is what YAML makes of two braces
  const openKey = entries.find(([key]) => isOpen(key) || key === "[object Object]");
  if (openKey !== undefined) {
    found.push({ path, text: isOpen(openKey[0]) ? openKey[0] : "{{ … }}" });
    return unknownValue;
  }
  return Object.fromEntries(entries.map(([key, item]) => [key, opened(item, `${path}.${key}`, found)]));
}

/** The parts of a pod, or of what holds a template of one, that verdicts depend on. */
function openTemplate(value: unknown, path: string, open: (value: unknown, path: string) => unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => {
    const at = `${path}.${key}`;
    if (podFields.has(key)) return [key, open(item, at)];
    if (key === "template" || key === "jobTemplate" || key === "spec") return [key, openTemplate(item, at, open)];
    if (key === "metadata" && typeof item === "object" && item !== null && !Array.isArray(item)) {
      const { labels, ...rest } = item as Record<string, unknown>;
      return [key, labels === undefined ? rest : { ...rest, labels: open(labels, `${at}.labels`) }];
    }
    if (key === "containers" || key === "initContainers") return [key, openPorts(item, at, open)];
    return [key, item];
  });
  return Object.fromEntries(entries);
}

function openPorts(value: unknown, path: string, open: (value: unknown, path: string) => unknown): unknown {
  if (!Array.isArray(value)) return value;
  return (value as unknown[]).map((container, index) => {
    const ports = (container as { ports?: unknown } | null)?.ports;
    if (!Array.isArray(ports)) return container;
    const read = (ports as unknown[]).map((port, place) => {
      if (typeof port !== "object" || port === null) return port;
      const at = `${path}[${index}].ports[${place}]`;
      const fields = Object.entries(port).map(([key, item]): [string, unknown] => [
        key,
        portFields.has(key) ? open(item, `${at}.${key}`) : item,
      ]);
      return Object.fromEntries(fields);
    });
    return { ...(container as object), ports: read };
  });
}
