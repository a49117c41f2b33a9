import assert from "node:assert/strict";
import type { AuditDrift } from "../../sdk/audit/index";
import { bypass } from "../../sdk/plan/index";
import type { KubeObject, SourcedObject } from "../../sdk/reachability/index";
import {
  and,
  applied,
  audited,
  cluster,
  declaration,
  edited,
  meant,
  meshed,
  nameOf,
  without,
  type Editable,
} from "./world";

const deny = "CiliumClusterwideNetworkPolicy default-deny-all";
const metadataDeny = "CiliumClusterwideNetworkPolicy deny-cloud-metadata";
const toBackend = "CiliumNetworkPolicy shop/allow-frontend-to-backend";
const backendEgress = "CiliumNetworkPolicy shop/allow-backend-egress";
const guard = "ValidatingAdmissionPolicy protect-bypass-label-in-shop";

const anyone: KubeObject = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "open-backend", namespace: "shop" },
  spec: { endpointSelector: { matchLabels: { app: "backend" } }, ingress: [{ fromEntities: ["world"] }] },
};

function namespaceOf(name: string, labels: Record<string, string> = {}): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

function binding(subject: Record<string, string>, role = "edit"): readonly KubeObject[] {
  return [
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "edit" },
      rules: [{ apiGroups: ["cilium.io"], resources: ["*"], verbs: ["get", "patch"] }],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "helpers", namespace: "shop" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [subject],
    },
  ];
}

/** One way in which a cluster leaves its baseline. */
interface Case {
  readonly title: string;
  readonly live: () => readonly SourcedObject[];
  readonly baseline?: () => ReturnType<typeof meant>;
  readonly object: string;
  readonly kind: AuditDrift["kind"];
  readonly severity: AuditDrift["severity"];
  /** One of the paths that it opens, or closes. */
  readonly opens?: RegExp;
  readonly closes?: RegExp;
  readonly message?: RegExp;
}

const spec = (change: (of: Editable["spec"]) => void) => (object: Editable) => change(object.spec);

const cases: readonly Case[] = [
  {
    title: "a policy is deleted",
    live: () => without(cluster(), deny),
    object: deny,
    kind: "missing",
    severity: "critical",
    opens: /^0\.0\.0\.0-.*\[External\] -> shop\/frontend\[Pod\]/,
  },
  {
    title: "an allow is narrowed",
    live: () =>
      edited(
        cluster(),
        toBackend,
        spec((of) => (of["ingress"][0].toPorts[0].ports[0].port = "9999")),
      ),
    object: toBackend,
    kind: "changed",
    severity: "medium",
    closes: /^shop\/frontend\[Pod\] -> shop\/backend\[Pod\]: TCP 8080/,
    message: /spec\.ingress\[0\]\.toPorts\[0\]\.ports\[0\]\.port was changed/,
  },
  {
    title: "an allow is widened",
    live: () =>
      edited(
        cluster(),
        toBackend,
        spec((of) => of["ingress"].push({ fromEntities: ["world"] })),
      ),
    object: toBackend,
    kind: "changed",
    severity: "critical",
    opens: /\[External\] -> shop\/backend\[Pod\]: All Connections/,
  },
  {
    title: "an allow more",
    live: () => and(cluster(), anyone),
    object: "CiliumNetworkPolicy shop/open-backend",
    kind: "extra",
    severity: "critical",
    opens: /\[External\] -> shop\/backend\[Pod\]/,
  },
  {
    title: "the deny of metadata endpoints is gone, and something else allows them",
    live: () =>
      without(
        edited(
          cluster(),
          backendEgress,
          spec((of) => (of["egress"] = [{ toCIDR: ["0.0.0.0/0"] }])),
        ),
        metadataDeny,
      ),
    object: metadataDeny,
    kind: "missing",
    severity: "critical",
    opens: /^shop\/backend\[Pod\] -> 169\.254\.0\.0-169\.254\.255\.255\[External\]/,
  },
  {
    title: "enableDefaultDeny is turned off",
    live: () =>
      edited(
        cluster(),
        deny,
        spec((of) => (of["enableDefaultDeny"] = { ingress: false, egress: true })),
      ),
    object: deny,
    kind: "changed",
    severity: "critical",
    opens: /\[External\] -> shop\/frontend/,
  },
  {
    title: "a namespace new and open",
    live: () =>
      and(
        edited(cluster(), deny, () => undefined).map((each) => each),
        namespaceOf("adhoc"),
      ).map((each) => (nameOf(each.object) === deny ? onlyIn(each, "shop", "ops") : each)),
    baseline: () =>
      meant().map((each) => (nameOf(each.object) === deny ? { ...each, ...onlyIn(each, "shop", "ops") } : each)),
    object: "Namespace adhoc",
    kind: "namespace-open",
    severity: "high",
    opens: /\[External\] -> a new pod in adhoc/,
  },
  {
    title: "a policy that the agents refuse",
    live: () =>
      edited(cluster(), deny, (object) => {
        object.spec["endpointSelector"] = { matchLabels: { "bad key!": "x" } };
        object["status"] = { conditions: [{ type: "Valid", status: "False", message: "Invalid label" }] };
      }),
    object: deny,
    kind: "not-enforced",
    severity: "critical",
    opens: /\[External\] -> shop\/frontend/,
    message: /Valid is False, Invalid label/,
  },
  {
    title: "enforcement is switched off",
    live: () =>
      edited(cluster(), "ConfigMap kube-system/cilium-config", ({ data }) => (data["enable-policy"] = "never")),
    object: "ConfigMap kube-system/cilium-config",
    kind: "enforcement-off",
    severity: "critical",
    opens: /^shop\/frontend\[Pod\] -> 0\.0\.0\.0-/,
    message: /enable-policy is never/,
  },
  {
    title: "the agents only report",
    live: () =>
      edited(cluster(), "ConfigMap kube-system/cilium-config", ({ data }) => (data["policy-audit-mode"] = "true")),
    object: "ConfigMap kube-system/cilium-config",
    kind: "enforcement-off",
    severity: "critical",
    opens: /^shop\/frontend\[Pod\] -> 0\.0\.0\.0-/,
    message: /policy-audit-mode is true/,
  },
  {
    title: "a guard is deleted",
    live: () => without(cluster(), guard),
    object: guard,
    kind: "missing",
    severity: "high",
  },
  {
    title: "a guard only warns",
    live: () =>
      edited(cluster(), `ValidatingAdmissionPolicyBinding protect-bypass-label-in-shop-binding`, (object) => {
        object.spec["validationActions"] = ["Warn"];
      }),
    object: "ValidatingAdmissionPolicyBinding protect-bypass-label-in-shop-binding",
    kind: "changed",
    severity: "high",
  },
  {
    title: "rights to edit are given to a user",
    live: () => and(cluster(), ...binding({ kind: "User", name: "mallory" })),
    object: "RoleBinding shop/helpers",
    kind: "edit-rights",
    severity: "high",
    message: /^User mallory may change policies in shop/,
  },
  {
    title: "rights to edit are given to a service account",
    live: () => and(cluster(), ...binding({ kind: "ServiceAccount", name: "ci", namespace: "ops" })),
    object: "RoleBinding shop/helpers",
    kind: "edit-rights",
    severity: "high",
    message: /^ServiceAccount ops\/ci may change policies in shop/,
  },
  {
    title: "the mesh no longer insists on mutual TLS",
    live: () =>
      edited(
        cluster(meshed),
        "PeerAuthentication shop/default",
        spec((of) => (of["mtls"].mode = "PERMISSIVE")),
      ),
    baseline: () => meant(meshed),
    object: "PeerAuthentication shop/default",
    kind: "changed",
    severity: "medium",
    message: /spec\.mtls\.mode was changed/,
  },
  {
    title: "a bypass is past its end",
    live: () =>
      applied(meant(old)).concat(cluster().filter(({ object }) => ["Pod", "ConfigMap"].includes(object.kind))),
    baseline: () => meant(old),
    object: "CiliumNetworkPolicy shop/allow-bypass-of-backend",
    kind: "overdue",
    severity: "high",
    message: /ended on 2099-12-01/,
    opens: /-> a new pod in shop with app=backend, policy-bypass/,
  },
];

const old = {
  ...declaration,
  bypasses: [bypass("shop/backend").because("incident 7").ownedBy("platform").until("2099-12-01").grantedTo("sre")],
};

/** A clusterwide deny for some namespaces only. */
function onlyIn(each: SourcedObject, ...names: string[]): SourcedObject {
  const object = structuredClone(each.object) as unknown as Editable;
  object.spec["endpointSelector"] = {
    matchExpressions: [{ key: "k8s:io.kubernetes.pod.namespace", operator: "In", values: names }],
  };
  return { ...each, object: object as unknown as KubeObject };
}

const lines = ({ examples }: AuditDrift["opens"]): string =>
  examples.map(({ source, destination, connections }) => `${source} -> ${destination}: ${connections}`).join("\n");

describe("audit: the kinds of drift (S3-22)", () => {
  it("a cluster that is as it should be has none", () => {
    for (const of of [declaration, meshed]) {
      const { verdict, drifts } = audited(cluster(of), { baseline: meant(of) });
      assert.deepEqual([verdict, drifts], ["clean", []]);
    }
  });

  for (const each of cases) {
    it(each.title, () => {
      const { verdict, drifts } = audited(each.live(), {
        ...(each.baseline === undefined ? {} : { baseline: each.baseline() }),
        ...(each.kind === "overdue" ? { today: "2100-01-01" } : {}),
      });
      assert.equal(verdict, "drift");
      const shown = drifts.map(({ object: { kind, namespace, name } }) =>
        nameOf({ apiVersion: "", kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }),
      );
      const index = shown.indexOf(each.object);
      const drift = drifts[index];
      assert.ok(drift, JSON.stringify(drifts, null, 1));
      assert.deepEqual([drift.kind, drift.severity], [each.kind, each.severity], JSON.stringify(drift, null, 1));
      if (each.opens !== undefined) assert.match(lines(drift.opens), new RegExp(each.opens.source, "m"));
      else assert.equal(drift.opens.count, 0, lines(drift.opens));
      if (each.closes !== undefined) assert.match(lines(drift.closes), new RegExp(each.closes.source, "m"));
      if (each.message !== undefined) assert.match(drift.message, each.message);
      if (/changed|not-enforced/.test(each.kind)) {
        assert.equal(drift.managers[0]?.manager, "kubectl-edit");
        assert.equal(drift.managers[0].time, "2026-11-28T09:00:00Z");
      }
    });
  }
});
