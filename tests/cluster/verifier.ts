/** An identity of a real cluster that may do what `rbac --verify` grants, and no more – or less, to see what is needed. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import type { ApiClient, ControlPlane } from "../../lab/control-plane/index";
import { readingRole, verifyingRole } from "../../sdk/cluster/index";
import type { KubeObject } from "../../sdk/reachability/index";

/** The context of the kubeconfigs that are written here. */
export const verifierContext = "verified";

/** A verb on a resource that is left out of the role that verifies. */
export interface Omission {
  readonly resource: string;
  readonly verb: string;
}

interface Rule {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Each verb on each resource that the role for verifying grants. */
export function grantedForVerifying(): Omission[] {
  return verifyingRole()
    .flatMap(({ rules }) => (rules ?? []) as readonly Rule[])
    .flatMap(({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => ({ resource, verb }))));
}

/**
 * Makes a service account with both roles and writes a kubeconfig that signs in as it.
 *
 * @returns the token, which must never be printed.
 */
export async function makeVerifier(
  plane: ControlPlane,
  admin: ApiClient,
  {
    name,
    file,
    without,
    change = (role) => role,
  }: {
    readonly name: string;
    readonly file: string;
    readonly without?: Omission;
    /** Makes something else of each role. Default: nothing. */
    readonly change?: (role: KubeObject) => KubeObject;
  },
): Promise<string> {
  const create = async (at: string, body: object): Promise<unknown> => {
    const answer = await admin.call("POST", at, body);
    assert.ok(answer.status < 300, `POST ${at}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  await create(accounts, { metadata: { name } });
  const serviceAccount = { namespace: "default", name };
  const roles = [
    ...readingRole({ name: `${name}-reads`, serviceAccount }),
    ...verifyingRole({ name: `${name}-verifies`, serviceAccount }).map((role) => withoutVerb(role, without)),
  ];
  for (const role of roles.map(change)) {
    const home = role.metadata?.namespace === undefined ? "" : `namespaces/${role.metadata.namespace}/`;
    await create(`/apis/rbac.authorization.k8s.io/v1/${home}${role.kind.toLowerCase()}s`, role);
  }
  const { status } = (await create(`${accounts}/${name}/token`, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  })) as { status: { token: string } };
  const cluster = { server: plane.server, "certificate-authority": plane.certificateAuthority };
  const kubeconfig = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user: { token: status.token } }],
    contexts: [{ name: verifierContext, context: { cluster: "c", user: "u" } }],
  };
  writeFileSync(file, JSON.stringify(kubeconfig), { mode: 0o600 });
  return status.token;
}

function withoutVerb(role: KubeObject, without: Omission | undefined): KubeObject {
  if (without === undefined || role.rules === undefined) return role;
  const rules = (role.rules as readonly Rule[]).map((rule) =>
    rule.resources.includes(without.resource)
      ? { ...rule, verbs: rule.verbs.filter((verb) => verb !== without.verb) }
      : rule,
  );
  // a rule without verbs is none
  return { ...role, rules: rules.filter(({ verbs }) => verbs.length > 0) };
}
