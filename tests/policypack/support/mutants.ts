/**
 * One-field changes of a stack's objects, each of which a policy pack should notice: the fields that decide who reaches
 * whom, what is enforced, and what pods may do to get round it.
 */
import type { TestResource } from "../../../policypack/testing";

/** One changed field of one resource. */
export interface Mutant {
  /** `NetworkPolicy.spec.egress[].to[].ipBlock.except: removed`; the same for every object of that form. */
  readonly form: string;
  /** The logical name of the resource. */
  readonly resource: string;
  readonly resources: readonly TestResource[];
}

type Fields = Readonly<Record<string, unknown>>;
type Path = readonly (string | number)[];

/** A way to change the value of a field; undefined where it does not apply. `removed` takes the field away. */
interface Change {
  readonly name: string;
  readonly at: (path: string, value: unknown) => unknown;
}

const removed = Symbol("removed");

/** By kind: which fields, and what is done to them. Paths have `[]` for any item of a list. */
const changes: Readonly<Record<string, readonly Change[]>> = {
  NetworkPolicy: [
    change("removed", /^spec\.policyTypes\[\]$/, () => removed),
    change("selects nobody", /^spec\.podSelector$/, () => ({ matchLabels: { nobody: "nobody" } })),
    change("rule for everybody", /^spec\.(ingress|egress)\[\]$/, () => ({})),
    change("peers removed", /^spec\.(ingress\[\]\.from|egress\[\]\.to)$/, () => removed),
    change("any pod of any namespace", /^spec\.(ingress\[\]\.from|egress\[\]\.to)\[\]$/, () => ({
      namespaceSelector: {},
      podSelector: {},
    })),
    change("the internet", /^spec\.(ingress\[\]\.from|egress\[\]\.to)\[\]$/, () => ({
      ipBlock: { cidr: "0.0.0.0/0" },
    })),
    change("selector removed", /\.(podSelector|namespaceSelector)$/, (path) =>
      path.startsWith("spec.podSelector") ? undefined : {},
    ),
    change("ports removed", /^spec\.(ingress|egress)\[\]\.ports$/, () => removed),
    change("any port", /^spec\.(ingress|egress)\[\]\.ports\[\]\.(port|endPort)$/, () => removed),
    change("all addresses", /ipBlock\.cidr$/, (_, value) => (String(value).includes(":") ? "::/0" : "0.0.0.0/0")),
    change("exceptions removed", /ipBlock\.except$/, () => removed),
    change("exception removed", /ipBlock\.except\[\]$/, () => removed),
    change("misspelt", /^spec\.(policyTypes\[\]|podSelector)$/, (path) =>
      path.endsWith("[]") ? "Outgress" : undefined,
    ),
  ],
  CiliumNetworkPolicy: ciliumChanges(),
  CiliumClusterwideNetworkPolicy: ciliumChanges(),
  Namespace: [
    change("mesh label removed", /^metadata\.labels\.(istio-injection|istio\.io\/dataplane-mode)$/, () => removed),
  ],
  Release: [
    change("enforcement never", /^values$/, (_, value) => ({ ...(value as Fields), policyEnforcementMode: "never" })),
    change("audit only", /^values$/, (_, value) => ({ ...(value as Fields), policyAuditMode: true })),
    change("encryption off", /^values\.encryption\.enabled$/, () => false),
    change("flows not seen", /^values\.hubble\.enabled$/, () => false),
  ],
  Deployment: workloadChanges(),
  StatefulSet: workloadChanges(),
  Job: workloadChanges(),
  ClusterRoleBinding: bindingChanges(),
  RoleBinding: bindingChanges(),
};

function change(name: string, where: RegExp, to: (path: string, value: unknown) => unknown): Change {
  return { name, at: (path, value) => (where.test(path) ? to(path, value) : undefined) };
}

function ciliumChanges(): Change[] {
  const rule = "(ingress|egress|ingressDeny|egressDeny)\\[\\]";
  const under = (rest: string): RegExp => new RegExp(`^spec\\.${rule}\\.${rest}$`);
  return [
    change("selects nobody", /^spec\.(endpointSelector)$/, () => ({ matchLabels: { nobody: "nobody" } })),
    change("rule for everybody", /^spec\.ingress\[\]$/, () => ({ fromEntities: ["all"] })),
    change("rule for everybody", /^spec\.egress\[\]$/, () => ({ toEntities: ["all"] })),
    change("any pod of the cluster", under("(from|to)Endpoints\\[\\]"), (path) =>
      path.includes("Deny")
        ? undefined
        : { matchExpressions: [{ key: "k8s:io.kubernetes.pod.namespace", operator: "Exists" }] },
    ),
    change("the internet", under("(from|to)Entities\\[\\]"), (path) => (path.includes("Deny") ? undefined : "world")),
    change("everybody", under("(from|to)Entities\\[\\]"), (path) => (path.includes("Deny") ? undefined : "all")),
    change("ports removed", under("toPorts"), (path) => (path.includes("Deny") ? undefined : removed)),
    change("any port", under("toPorts\\[\\]\\.ports\\[\\]\\.port"), (path) =>
      path.includes("Deny") ? undefined : "0",
    ),
    change("all addresses", /(CIDR\[\]|CIDRSet\[\]\.cidr)$/, (path, value) =>
      path.includes("Deny") ? undefined : String(value).includes(":") ? "::/0" : "0.0.0.0/0",
    ),
    change("exceptions removed", /CIDRSet\[\]\.except$/, () => removed),
    change("exception removed", /CIDRSet\[\]\.except\[\]$/, () => removed),
    change("deny removed", /^spec\.(ingressDeny|egressDeny)$/, () => removed),
    change("denied peer removed", /^spec\.(ingressDeny|egressDeny)\[\]\.[a-zA-Z]+\[\]$/, () => removed),
    change("any name", /toFQDNs\[\]$/, () => ({ matchPattern: "*" })),
    change("DNS not seen", /toPorts\[\]\.rules$/, () => removed),
    change("closes nothing", /^spec\.enableDefaultDeny\.(ingress|egress)$/, (_, value) =>
      value === true ? false : undefined,
    ),
    change("closes", /^spec\.enableDefaultDeny\.(ingress|egress)$/, (_, value) => (value === false ? true : undefined)),
    change("excludes nobody", /^spec\.endpointSelector\.matchExpressions$/, () => removed),
  ];
}

function workloadChanges(): Change[] {
  const pod = (value: unknown, more: Fields): unknown => ({ ...(value as Fields), ...more });
  return [
    change("host network", /^spec\.template\.spec$/, (_, value) => pod(value, { hostNetwork: true })),
    change("privileged", /^spec\.template\.spec\.containers\[\]$/, (_, value) =>
      pod(value, { securityContext: { privileged: true } }),
    ),
    change("outside the mesh", /^spec\.template\.metadata$/, (_, value) =>
      pod(value, { annotations: { "sidecar.istio.io/inject": "false" } }),
    ),
    change("another's labels", /^spec\.template\.metadata\.labels$/, () => ({ nobody: "nobody" })),
  ];
}

function bindingChanges(): Change[] {
  return [
    change("cluster-admin", /^roleRef$/, () => ({
      apiGroup: "rbac.authorization.k8s.io",
      kind: "ClusterRole",
      name: "cluster-admin",
    })),
  ];
}

/** Every mutant of a stack. The stack itself is not changed. */
export function mutantsOf(resources: readonly TestResource[]): Mutant[] {
  return resources.flatMap((resource, index) => {
    const kind = resource.type.split(":").at(-1) ?? "";
    const rules = resource.type.startsWith("kubernetes:") ? (changes[kind] ?? []) : [];
    return [...fieldsOf(resource.props)].flatMap(([path, value]) => {
      const text = describe(path);
      return rules.flatMap(({ name, at }) => {
        const to = at(text, value);
        if (to === undefined) return [];
        const props = replaced(resource.props, path, to) as Record<string, unknown>;
        if (JSON.stringify(props) === JSON.stringify(resource.props)) return [];
        const mutated = resources.map((each, position) => (position === index ? { ...resource, props } : each));
        return [{ form: `${kind}.${text}: ${name}`, resource: resource.name, resources: mutated }];
      });
    });
  });
}

function* fieldsOf(value: unknown, path: Path = []): Iterable<[Path, unknown]> {
  if (path.length > 0) yield [path, value];
  if (typeof value !== "object" || value === null) return;
  const keys: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  for (const key of keys) yield* fieldsOf((value as Record<string | number, unknown>)[key], [...path, key]);
}

/** `spec.egress[].to[]`. */
function describe(path: Path): string {
  return path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[]` : text === "" ? key : `${text}.${key}`),
    "",
  );
}

function replaced(holder: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(holder)) {
    return (holder as unknown[]).flatMap((item, index) => {
      if (index !== key) return [item];
      return rest.length === 0 && value === removed ? [] : [replaced(item, rest, value)];
    });
  }
  const { [key]: own, ...others } = holder as Record<string | number, unknown>;
  if (rest.length === 0 && value === removed) return others;
  return { ...(holder as object), [key]: replaced(own, rest, value) };
}
