/** What AuthorizationPolicies ask of HTTP requests, in words. */
import type { HttpCondition } from "../model/rules";
import type { Fields } from "./fields";

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === "string") : [];
}

/** What a source or an operation asks of a request. */
export function httpOf(fields: Fields): HttpCondition {
  const [methods, paths, hosts] = [texts(fields["methods"]), texts(fields["paths"]), texts(fields["hosts"])];
  const [notMethods, notPaths, notHosts] = [
    texts(fields["notMethods"]),
    texts(fields["notPaths"]),
    texts(fields["notHosts"]),
  ];
  const what = [
    ...(methods.length === 0 ? [] : [methods.join(" or ")]),
    ...(notMethods.length === 0 ? [] : [`methods other than ${notMethods.join(", ")}`]),
    ...(paths.length === 0 ? [] : [paths.join(" or ")]),
    ...(notPaths.length === 0 ? [] : [`paths other than ${notPaths.join(", ")}`]),
    ...(hosts.length === 0 ? [] : [`host ${hosts.join(" or ")}`]),
    ...(notHosts.length === 0 ? [] : [`hosts other than ${notHosts.join(", ")}`]),
    ...texts(fields["requestPrincipals"]).map((each) => (each === "*" ? "with a valid JWT" : `with a JWT of ${each}`)),
    ...(texts(fields["notRequestPrincipals"]).length === 0
      ? []
      : [`without a JWT of ${texts(fields["notRequestPrincipals"]).join(", ")}`]),
  ];
  const narrow = [
    notMethods,
    notPaths,
    notHosts,
    texts(fields["requestPrincipals"]),
    texts(fields["notRequestPrincipals"]),
  ];
  const always =
    narrow.every((list) => list.length === 0) &&
    [methods, hosts].every((list) => list.length === 0 || list.includes("*")) &&
    (paths.length === 0 || paths.includes("*") || paths.includes("/*"));
  const never =
    leavesNothing(methods, notMethods) ||
    leavesNothing(paths, notPaths) ||
    leavesNothing(hosts, notHosts) ||
    leavesNothing(texts(fields["requestPrincipals"]), texts(fields["notRequestPrincipals"]));
  return { text: always ? "HTTP" : `HTTP ${what.join(" ")}`, always, ...(never ? { never } : {}) };
}

/** Whether every value that is asked for is left out as well. */
function leavesNothing(wanted: readonly string[], left: readonly string[]): boolean {
  return wanted.length > 0 && wanted.every((each) => left.some((pattern) => covers(pattern, each)));
}

/** Whether all that fits one pattern (`text`, `text*`, `*text`, `*`) fits another. */
function covers(pattern: string, text: string): boolean {
  if (pattern === "*" || pattern === text) return true;
  if (pattern.endsWith("*")) return !text.startsWith("*") && text.replace(/\*$/, "").startsWith(pattern.slice(0, -1));
  return pattern.startsWith("*") && !text.endsWith("*") && text.replace(/^\*/, "").endsWith(pattern.slice(1));
}

/** A condition of `when` about a request. */
export function httpWhen(key: string, values: readonly string[], notValues: readonly string[]): HttpCondition {
  const parts = [
    ...(values.length === 0 ? [] : [`${key} ${values.join(" or ")}`]),
    ...(notValues.length === 0 ? [] : [`${key} other than ${notValues.join(", ")}`]),
  ];
  const never = leavesNothing(values, notValues);
  return { text: `HTTP with ${parts.join(", ")}`, always: false, ...(never ? { never } : {}) };
}

/** All of several conditions; nothing where there are none. */
export function allHttp(conditions: readonly HttpCondition[]): HttpCondition | undefined {
  if (conditions.length === 0) return undefined;
  const narrow = conditions.filter(({ always }) => !always);
  if (narrow.length === 0) return conditions[0];
  const words = narrow.map(({ text }, index) => (index === 0 ? text : text.replace(/^HTTP (with )?/, "")));
  const never = conditions.some((condition) => condition.never === true);
  return { text: words.join(" and "), always: false, ...(never ? { never } : {}) };
}
