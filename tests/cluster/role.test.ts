import assert from "node:assert/strict";
import { bypassRole, bypassTrialRole, changingRole, kindsToRead, readingRole } from "../../sdk/cluster";

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}

const rulesOf = (role: unknown): Rule[] => (role as { rules: Rule[] }).rules;

describe("the role that reads a cluster", () => {
  it("names every kind that is read, and only get and list", () => {
    const [clusterRole] = readingRole();
    const rules = rulesOf(clusterRole);
    for (const { group, plural } of kindsToRead) {
      assert.ok(
        rules.some((rule) => rule.apiGroups.includes(group) && rule.resources.includes(plural)),
        `${plural}.${group}`,
      );
    }
    for (const { verbs, resources, apiGroups } of rules) {
      assert.deepEqual(verbs, ["get", "list"]);
      assert.ok(![...resources, ...apiGroups].includes("*"));
      assert.ok(!resources.includes("secrets") && !resources.includes("configmaps"));
    }
  });

  it("grants Calico's policies in every tier, as its API server asks of whoever lists them", () => {
    const [clusterRole] = readingRole();
    const ofCalico = rulesOf(clusterRole).filter(({ apiGroups }) => apiGroups.includes("projectcalico.org"));
    const resources = ofCalico.flatMap((rule) => rule.resources);
    assert.ok(resources.includes("tiers"));
    for (const plural of [
      "networkpolicies",
      "globalnetworkpolicies",
      "stagednetworkpolicies",
      "stagedglobalnetworkpolicies",
    ]) {
      assert.ok(resources.includes(plural) && resources.includes(`tier.${plural}`), plural);
    }
    assert.ok(ofCalico.every(({ resourceNames }) => resourceNames === undefined));
    assert.ok(!resources.includes("tier.stagedkubernetesnetworkpolicies"), "it is in no tier");
  });

  it("reads one ConfigMap by name", () => {
    const [, role] = readingRole({ name: "reads" });
    assert.deepEqual([role?.kind, role?.metadata], ["Role", { name: "reads", namespace: "kube-system" }]);
    assert.deepEqual(rulesOf(role), [
      { apiGroups: [""], resources: ["configmaps"], resourceNames: ["cilium-config"], verbs: ["get"] },
    ]);
  });

  it("binds a service account only where one is named", () => {
    assert.equal(readingRole().length, 2);
    const bound = readingRole({ serviceAccount: { namespace: "ci", name: "reader" } });
    assert.deepEqual(
      bound.map(({ kind }) => kind),
      ["ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"],
    );
    for (const binding of bound.slice(2)) {
      assert.deepEqual(binding["subjects"], [{ kind: "ServiceAccount", namespace: "ci", name: "reader" }]);
    }
  });

  it("S3-29: lets a bypass be opened in the granted namespaces only, and reads no Secret", () => {
    const objects = bypassRole({ namespaces: ["shop", "jobs"], groups: ["sre"] });
    const clusterwide = objects.filter(({ kind }) => kind === "ClusterRole").flatMap(rulesOf);
    assert.deepEqual(clusterwide, [
      {
        apiGroups: ["admissionregistration.k8s.io"],
        resources: ["validatingadmissionpolicies"],
        verbs: ["get", "list"],
      },
    ]);
    const roles = objects.filter(({ kind }) => kind === "Role");
    assert.deepEqual(
      roles.map(({ metadata }) => metadata?.namespace),
      ["shop", "jobs"],
    );
    for (const { resources, verbs } of roles.flatMap(rulesOf)) {
      assert.ok(!resources.includes("secrets") && !resources.includes("*") && !verbs.includes("*"));
    }
    assert.equal(objects.filter(({ kind }) => kind.endsWith("Binding")).length, 3);
    assert.equal(bypassRole({ namespaces: ["shop"], groups: [] }).length, 2);
  });

  it("S3-29: grants an update the trial of every kind that bypasses are written in, and nothing of what is open", () => {
    const objects = bypassTrialRole({ namespaces: ["shop"], serviceAccount: { namespace: "ci", name: "deploy" } });
    const opening = bypassRole({ namespaces: ["shop"], groups: [] }).filter(({ kind }) => kind === "Role");
    const trying = objects.filter(({ kind }) => kind === "Role");
    const kindsIn = (roles: readonly unknown[]): string[] =>
      roles
        .flatMap(rulesOf)
        .filter(({ apiGroups }) => !apiGroups.includes(""))
        .flatMap(({ apiGroups, resources }) => resources.map((one) => `${one}.${apiGroups.join()}`));
    assert.deepEqual(kindsIn(trying), kindsIn(opening));
    for (const { verbs, resources } of trying.flatMap(rulesOf)) {
      assert.deepEqual(verbs, ["get", "create", "delete"]);
      assert.ok(!resources.includes("pods"));
    }
  });

  it("S4-16: grants restore and rollback every kind of policy that is read, and nothing that is none", () => {
    const [role, binding] = changingRole({ serviceAccount: { namespace: "ops", name: "restore" } });
    const rules = rulesOf(role);
    assert.equal(binding?.kind, "ClusterRoleBinding");
    const names = rules.flatMap(({ apiGroups, resources }) => resources.map((one) => `${one}.${apiGroups.join()}`));
    for (const wanted of [
      "networkpolicies.networking.k8s.io",
      "ciliumclusterwidenetworkpolicies.cilium.io",
      "tier.globalnetworkpolicies.projectcalico.org",
      "globalnetworksets.projectcalico.org",
      "authorizationpolicies.security.istio.io",
      "clusternetworkpolicies.policy.networking.k8s.io",
    ]) {
      assert.ok(names.includes(wanted), wanted);
    }
    const ofTools = ["kustomizations", "helmreleases", "applications"];
    for (const { verbs, resources } of rules) {
      const isOfTool = resources.some((resource) => ofTools.includes(resource));
      assert.deepEqual(verbs, isOfTool ? ["get"] : ["get", "create", "patch", "update", "delete"]);
      for (const other of ["pods", "namespaces", "services", "deployments", "nodes", "*"]) {
        assert.ok(!resources.includes(other), other);
      }
    }
  });
});
