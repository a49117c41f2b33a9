/**
 * Texts that the API server checks. One that it refuses matches nothing, so a reader that took it would read a rule about
 * nobody – and a deny of nobody – where the real cluster has no such policy at all.
 * Source: k8s.io/apimachinery pkg/util/validation (IsQualifiedName, IsValidLabelValue, IsValidPortName).
 */
import { isUnknown } from "../model/unknown";
import { NotReadable, readString, required } from "./fields";

/** An optional DNS subdomain and a slash, then up to 63 letters, digits, `-`, `_` and `.`. */
const labelKey =
  /^(?:(?=[^/]{1,253}\/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * The key of a label.
 *
 * @throws NotReadable where no label can have it.
 */
export function checkLabelKey(key: string, path: string): void {
  // an unknown key says what it is by its mark
  if (!isUnknown(key) && labelKey.test(key)) return;
  throw new NotReadable(path, `${path} is not the key of a label: ${JSON.stringify(key)}`, "invalid-value");
}

/** Words of lower-case letters, digits and hyphens with dots between, 253 characters at most (IsDNS1123Subdomain). */
const objectName = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/**
 * Whether a name is written out and no object can have it, so that the API server refuses the object. Other texts stand for
 * names: placeholders of templates, what is not known yet.
 */
export function isImpossibleName(text: string): boolean {
  return /^[A-Za-z0-9._-]+$/.test(text) && !objectName.test(text);
}

/** Up to 15 lower-case letters, digits and single hyphens inside, of which one is a letter. */
const portName = /^(?=.{1,15}$)(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Whether a port can have this name. */
export function isPortName(text: string): boolean {
  return portName.test(text);
}

/**
 * The name of a container's port.
 *
 * @throws NotReadable where no port can have it.
 */
export function readPortName(value: unknown, path: string): string {
  const name = required(readString(value, path), path);
  if (isPortName(name)) return name;
  throw new NotReadable(path, `${path} is not the name of a port: ${JSON.stringify(name)}`, "invalid-value");
}
