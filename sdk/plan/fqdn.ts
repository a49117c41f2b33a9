/** DNS names and patterns, as Cilium's `matchName` and `matchPattern` read them (cilium pkg/fqdn/matchpattern). */

/** Says what a name or pattern is wrong with. */
export interface NameProblem {
  readonly message: string;
  readonly fix: string;
}

/** The highest number of characters of a DNS name in text form (RFC 1035, without the final dot). */
const longestName = 253;
const longestLabel = 63;

/** Whether the text is a pattern (has a wildcard) and not a name. */
export function isPattern(name: string): boolean {
  return name.includes("*");
}

/**
 * Why a name or pattern can match no DNS answer that a workload may use, or matches far too much; nothing if it is fine.
 * A pattern that matches nothing leaves its workload cut off without any error from the cluster.
 */
export function nameProblem(text: string): NameProblem | undefined {
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  if (/[/:@?#]/.test(name)) {
    return { message: "can match no DNS name: it looks like a URL or has a port", fix: "Write the host name alone." };
  }
  if (/^[\d.]+$/.test(name)) {
    return { message: "can match no DNS name: it is an address", fix: "Declare the address with cidr(…)." };
  }
  if (!/^[-a-zA-Z0-9_.*]+$/.test(name)) {
    return {
      message: "can match no DNS name: it has characters that names do not have",
      fix: "Use letters, digits, hyphens, dots and the wildcard *; write international names in punycode (xn--…).",
    };
  }
  const labels = name.split(".");
  if (labels.some((label) => label === "")) {
    return { message: "can match no DNS name: it has an empty label", fix: "Remove the doubled or leading dot." };
  }
  if (/^\*+$/.test(name)) {
    return { message: "matches every DNS name", fix: "Name the hosts, or declare internet() if any host is meant." };
  }
  if (labels.some((label) => minimalLength(label) > longestLabel) || minimalLength(name) > longestName) {
    return {
      message: "can match no DNS name: it is longer than names may be",
      fix: `Labels have at most ${longestLabel} characters, names at most ${longestName}.`,
    };
  }
  if (labels.some((label) => label.startsWith("-") || label.endsWith("-"))) {
    return { message: "can match no host: a label begins or ends with a hyphen", fix: "Correct the label." };
  }
  if (labels.slice(1).some((label) => label.includes("**")) || /\*\*[^.]|[^.*]\*\*/.test(name)) {
    return {
      message: "has ** where it has no meaning of its own",
      fix: 'Use ** only as the first label ("**.example.com": any depth); elsewhere * stands for part of one label.',
    };
  }
  return topProblem(labels) ?? clusterNameProblem(name);
}

/** Whether a name fits a pattern: `**.` at the start stands for labels, any other `*` for part of one. */
export function fitsPattern(name: string, pattern: string): boolean {
  const anyDepth = pattern.startsWith("**.");
  const body = (anyDepth ? pattern.slice(3) : pattern)
    .split(/\*+/)
    .map((part) => part.replace(/\./g, "\\."))
    .join("[-a-z0-9_]*");
  return new RegExp(`^${anyDepth ? "([-a-z0-9_]+\\.)+" : ""}${body}$`, "i").test(name);
}

/** The shortest text that a label or name with wildcards matches; a label of wildcards only matches one character. */
function minimalLength(text: string): number {
  return text.replace(/\*/g, "").length;
}

function topProblem(labels: readonly string[]): NameProblem | undefined {
  const top = labels.at(-1) ?? "";
  if (labels.length === 1) {
    return {
      message: "can match no name outside the cluster: it is a single label",
      fix: "Write the full name, such as api.example.com.",
    };
  }
  if (/^\d+$/.test(top)) {
    return { message: "can match no DNS name: its last label is a number", fix: "Correct the last label." };
  }
  if (top.includes("*")) {
    return {
      message: "has a wildcard in its last label",
      fix: "Write the last label out; it decides whose names these are.",
    };
  }
  if (labels.length === 2 && isPattern(labels[0] ?? "") && /^\*+$/.test(labels[0] ?? "")) {
    return {
      message: "matches every name under a top-level domain, also names that anybody can register",
      fix: "Name the registered domain, such as *.example.com.",
    };
  }
  return undefined;
}

/** toFQDNs never selects pods or Services of the cluster: they are known by identity, not by address. */
function clusterNameProblem(name: string): NameProblem | undefined {
  if (/(^|\.)(cluster\.local|svc)$/i.test(name)) {
    return {
      message: "can match nothing: names of the cluster's own Services are never matched by DNS rules",
      fix: "Declare the workload behind the Service and name it as the destination.",
    };
  }
  if (/^metadata\.google\.internal$/i.test(name)) {
    return { message: "names a metadata endpoint, which stays closed", fix: "Use workload identity instead." };
  }
  return undefined;
}
