/** Names and labels as Kubernetes takes them. */

/** RFC 1123 label: namespaces and workloads. */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
}

/** RFC 1123 subdomain: names of policies and service accounts. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split(".").every(isDnsLabel);
}

/** A name of an object as the API server checks it: like a subdomain, whose labels may be of any length. */
export function isObjectName(text: string): boolean {
  return text.length <= 253 && text.split(".").every((label) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(label));
}

/** A label key: an optional prefix that is a DNS subdomain, and a name. */
export function isLabelKey(text: string): boolean {
  const slash = text.lastIndexOf("/");
  const prefix = slash < 0 ? undefined : text.slice(0, slash);
  return (prefix === undefined || isDnsSubdomain(prefix)) && isLabelPart(text.slice(slash + 1));
}

/** A label value, which may be empty. */
export function isLabelValue(text: string): boolean {
  return text === "" || isLabelPart(text);
}

function isLabelPart(text: string): boolean {
  return text.length <= 63 && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(text);
}

/** A port's name: RFC 6335 as Kubernetes checks it. */
export function isPortName(text: string): boolean {
  return text.length <= 15 && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(text) && /[a-z]/.test(text);
}

/** The part of a policy's name that stands for a name, pattern or range, cut down to what names may hold. */
export function slug(text: string): string {
  const plain = text
    .toLowerCase()
    .replace(/\*\*/g, "any-depth")
    .replace(/\*/g, "any")
    .replace(/[^a-z0-9.]+/g, "-");
  return plain
    .split(".")
    .map((label) => label.replace(/^-+|-+$/g, ""))
    .filter((label) => label !== "")
    .join(".");
}
