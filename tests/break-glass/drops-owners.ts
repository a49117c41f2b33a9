/** A real API server that does not keep the owners of a kind: an admission policy takes them away. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const apiVersion = "admissionregistration.k8s.io/v1";
const name = "drops-owners";

/** One request. @returns its status and its parsed or unparsed answer */
type Call = (
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: object,
) => Promise<{ status: number; body: unknown }>;

/**
 * Puts it in place and waits until it is in force.
 *
 * @param probe An object of the kind, which is tried without being made, and its collection.
 * @returns what takes it away again
 */
export async function dropOwners(
  call: Call,
  kind: { readonly group: string; readonly version: string; readonly resource: string },
  probe: { readonly collection: string; readonly object: { readonly metadata: object } },
): Promise<() => Promise<void>> {
  const { group, version, resource } = kind;
  const expression =
    'has(object.metadata.ownerReferences) ? [JSONPatch{op: "remove", path: "/metadata/ownerReferences"}] : []';
  const policies = `/apis/${apiVersion}/mutatingadmissionpolicies`;
  const bindings = `/apis/${apiVersion}/mutatingadmissionpolicybindings`;
  const made = [
    await call("POST", policies, {
      apiVersion,
      kind: "MutatingAdmissionPolicy",
      metadata: { name },
      spec: {
        matchConstraints: {
          resourceRules: [
            { apiGroups: [group], apiVersions: [version], operations: ["CREATE", "UPDATE"], resources: [resource] },
          ],
        },
        failurePolicy: "Fail",
        reinvocationPolicy: "Never",
        mutations: [{ patchType: "JSONPatch", jsonPatch: { expression } }],
      },
    }),
    await call("POST", bindings, {
      apiVersion,
      kind: "MutatingAdmissionPolicyBinding",
      metadata: { name },
      spec: { policyName: name },
    }),
  ];
  for (const { status, body } of made) assert.equal(status, 201, JSON.stringify(body));
  const ownerReferences = [{ apiVersion: "batch/v1", kind: "Job", name: "none", uid: "none" }];
  const object = { ...probe.object, metadata: { ...probe.object.metadata, ownerReferences } };
  for (let tries = 0; ; tries += 1) {
    const { status, body } = await call("POST", `${probe.collection}?dryRun=All`, object);
    assert.equal(status, 201, JSON.stringify(body));
    const answer = (typeof body === "string" ? JSON.parse(body) : body) as { metadata: { ownerReferences?: unknown } };
    if (answer.metadata.ownerReferences === undefined) break;
    assert.ok(tries < 300, `the owners are still kept: ${JSON.stringify(answer)}`);
    await sleep(200);
  }
  return async () => {
    await call("DELETE", `${bindings}/${name}`);
    await call("DELETE", `${policies}/${name}`);
  };
}
