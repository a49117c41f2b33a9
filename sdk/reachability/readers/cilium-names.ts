/** `matchName` and `matchPattern` of Cilium's rules, in `toFQDNs` and in DNS rules. */
import type { DnsPattern } from "../model/rules";
import { NotReadable, readString, type Fields } from "./fields";
import { ciliumPattern, dnsName } from "./fqdn";

/** What the CRD takes (pkg/policy/api/fqdn.go); anything else it refuses, with the whole policy. */
const matchName = /^[-a-zA-Z0-9_]+(\.[-a-zA-Z0-9_]+)*\.?$/;
const matchPattern = /^[-a-zA-Z0-9_*]+(\.[-a-zA-Z0-9_*]+)*\.?$/;
const longest = 255;

/** The name, then the pattern; an entry with neither is about no name (ToRegex). */
export function readNames(entry: Fields, path: string): readonly DnsPattern[] {
  const name = readText(entry, "matchName", matchName, path);
  const pattern = readText(entry, "matchPattern", matchPattern, path);
  return [...(name === "" ? [] : [dnsName(name)]), ...(pattern === "" ? [] : [ciliumPattern(pattern)])];
}

function readText(entry: Fields, field: "matchName" | "matchPattern", valid: RegExp, path: string): string {
  const where = `${path}.${field}`;
  const text = readString(entry[field], where) ?? "";
  if (text === "" || (text.length <= longest && valid.test(text))) return text;
  const message = `${where} is not a ${field === "matchName" ? "name" : "pattern"} of hosts: ${JSON.stringify(text)}`;
  throw new NotReadable(where, message, "invalid-value");
}
