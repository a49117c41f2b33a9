/**
 * Bypasses: policies that lift the others from single pods for a time. No annotation does that
 *; a policy that allows everything to pods with a label does, in every dialect, and leaves explicit
 * denies in force. Whoever sets the label decides, so an admission policy says who may.
 */
import { rangeWithout } from "./addresses";
import { bypassLabel, bypassLabelPrefix } from "./bypass-label";
import { Dialect, PolicyMode } from "./declaration";
import { subjectSelector as calicoSelector } from "./dialects/calico";
import { subjectSelector as ciliumSelector } from "./dialects/cilium";
import { namespaceNameLabel, podSelectorOf } from "./dialects/network-policy";
import type { DraftDocument, PlannedBypass, PlannedObject, Stage } from "./documents";
import { logicalNameOf, managedByLabel } from "./documents";
import { describePeer, modeOf } from "./halves";
import type { Model, ModelBypass } from "./model";
import { homeOfBypass } from "./resolve/bypasses";
import { closedNeighbours } from "./tenants";
import type { Shortfalls } from "./unsupported";

type Plain = Readonly<Record<string, unknown>>;

/**
 * The policies of the bypasses that have not ended, and what guards their label.
 *
 * @param drafts The other policies of the plan. What isolates pods stands after their flows.
 */
export function bypassDocuments(model: Model, drafts: readonly DraftDocument[]): readonly DraftDocument[] {
  const open = model.bypasses.filter(({ isEnded }) => !isEnded);
  const homes = [...new Set(open.map(homeOfBypass))].sort();
  return [
    ...homes.flatMap((home) => {
      const [first] = open.filter((one) => homeOfBypass(one) === home);
      return first === undefined ? [] : labelGuard(home, first.grantedTo);
    }),
    ...open.flatMap((bypass) => {
      const home = homeOfBypass(bypass);
      const isHeld = model.enforcerAudits || modeOf(model, home) === PolicyMode.Enforce;
      const flows = drafts.filter(({ stage, object }) => stage === "flows" && object.metadata.namespace === home);
      return [
        // in mode audit nothing is denied that a bypass could open
        ...(isHeld ? [networkDocument(model, bypass, flows)] : []),
        ...(model.mesh?.namespaces.includes(home) === true ? [meshDocument(bypass)] : []),
      ];
    }),
  ];
}

/** Says what is lifted and what has ended: a bypass is never silent. */
export function noteBypasses(model: Model, shortfalls: Shortfalls): void {
  for (const { of, label, expires, owner, state } of bypassesOf(model)) {
    if (state === "closed") {
      shortfalls.note(
        "bypass-ended",
        `bypasses ${of} (${owner}, until ${expires})`,
        "The last day of a bypass is over: it lifts nothing any more.",
        "Remove it, or renew it with its owner.",
      );
    } else {
      shortfalls.note(
        "bypass-open",
        `bypasses ${of} (${label}, ${owner})`,
        "The policies of pods that carry the label of a bypass are lifted; explicit denies, metadata endpoints among them, stay.",
        "Look for such pods with kubectl get pods --selector before the bypass is deployed and after it was used.",
      );
    }
  }
}

/** The register of bypasses. */
export function bypassesOf(model: Model): readonly PlannedBypass[] {
  return model.bypasses.map(({ subject, reason, owner, expires, grantedTo, isEnded }) => ({
    of: describePeer(subject),
    label: `${bypassLabel}=${expires}`,
    grantedTo,
    reason,
    owner,
    expires,
    state: isEnded ? "closed" : "open",
  }));
}

/**
 * `allow-bypass-of-<workload>`, and in the mesh, where only the called end is held, `allow-bypass-to-<workload>`: by its
 * name, too, the pack knows that it has to say its owner, its reason and its end.
 */
function nameOf({ subject }: ModelBypass, side: "of" | "to" = "of"): string {
  return `allow-bypass-${side}-${subject.kind === "workload" ? subject.workload.name : "namespace"}`;
}

function networkDocument(model: Model, bypass: ModelBypass, flows: readonly DraftDocument[]): DraftDocument {
  switch (model.dialect) {
    case Dialect.Cilium:
      return document(bypass, "flows", "cilium.io/v2", "CiliumNetworkPolicy", nameOf(bypass), ciliumSpec(bypass));
    case Dialect.Calico:
      return document(
        bypass,
        "flows",
        "projectcalico.org/v3",
        "NetworkPolicy",
        `cluster-security.${nameOf(bypass)}`,
        calicoSpec(bypass),
      );
    case Dialect.Kubernetes:
    case Dialect.ClusterNetworkPolicy: {
      const spec = networkPolicySpec(model, bypass);
      const draft = document(bypass, "flows", "networking.k8s.io/v1", "NetworkPolicy", nameOf(bypass), spec);
      // a NetworkPolicy isolates whatever it selects, so every flow of the namespace stands first
      return { ...draft, after: flows.map(logicalNameOf) };
    }
  }
}

/** `all` is whatever there is, nodes and the API server included; the explicit denies of other policies come first. */
function ciliumSpec({ subject, expires }: ModelBypass): Plain {
  const own = ciliumSelector(subject, false) as { matchLabels?: Plain };
  return {
    description: "Lifts the policies of labelled pods for a time; explicit denies stay",
    endpointSelector: { matchLabels: { ...own.matchLabels, [`k8s:${bypassLabel}`]: expires } },
    enableDefaultDeny: { ingress: false, egress: false },
    ingress: [{ fromEntities: ["all"] }],
    egress: [{ toEntities: ["all"] }],
  };
}

/** In the tier of the flows, behind the guard tier with its denies. */
function calicoSpec({ subject, expires }: ModelBypass): Plain {
  return {
    tier: "cluster-security",
    order: 100,
    selector: `${calicoSelector(subject, false)} && ${bypassLabel} == '${expires}'`,
    types: ["Ingress", "Egress"],
    ingress: [{ action: "Allow" }],
    egress: [{ action: "Allow" }],
  };
}

/**
 * NetworkPolicy has no deny that would stay, so what is to stay closed is left out: metadata endpoints where nothing
 * else closes them, the namespaces of other tenants, and the outside of a workload that denies it.
 */
function networkPolicySpec(model: Model, { subject, expires }: ModelBypass): Plain {
  const pods = podSelectorOf(subject) as { matchLabels?: Plain };
  const isExternallyDenied = subject.kind === "workload" && subject.workload.denyExternal;
  const closed = closedNeighbours(model, homeOfBypass({ subject }));
  const isMetadataDenied = model.dialect === Dialect.ClusterNetworkPolicy;
  const others =
    closed.length === 0 ? {} : { matchExpressions: [{ key: namespaceNameLabel, operator: "NotIn", values: closed }] };
  const world = (without: readonly string[]): Plain[] =>
    ["0.0.0.0/0", "::/0"].flatMap((cidr) => {
      const range = rangeWithout({ cidr, except: [] }, without);
      return range === undefined ? [] : [{ ipBlock: range }];
    });
  const ingress =
    isExternallyDenied || closed.length > 0
      ? { from: [{ namespaceSelector: others }, ...(isExternallyDenied ? [] : world(model.podCidrs))] }
      : {};
  const egress = isMetadataDenied ? {} : { to: [{ namespaceSelector: {} }, ...world([])] };
  return {
    podSelector: { matchLabels: { ...pods.matchLabels, [bypassLabel]: expires } },
    policyTypes: ["Ingress", "Egress"],
    ingress: [ingress],
    egress: [egress],
  };
}

/** Everybody may call; that calls are mutually authenticated stays. */
function meshDocument(bypass: ModelBypass): DraftDocument {
  const { subject, expires } = bypass;
  const labels = subject.kind === "workload" ? subject.workload.labels : {};
  return document(bypass, "mesh", "security.istio.io/v1", "AuthorizationPolicy", nameOf(bypass, "to"), {
    selector: { matchLabels: { ...labels, [bypassLabel]: expires } },
    action: "ALLOW",
    rules: [{}],
  });
}

function document(
  bypass: ModelBypass,
  stage: Stage,
  apiVersion: string,
  kind: string,
  name: string,
  spec: Plain,
): DraftDocument {
  const { reason, owner, expires } = bypass;
  const stated = { until: expires, owner, reason };
  const annotations = Object.fromEntries(
    Object.entries(stated).map(([key, value]) => [`${bypassLabelPrefix}${key}`, value]),
  );
  const object: PlannedObject = {
    apiVersion,
    kind,
    metadata: { name, namespace: homeOfBypass(bypass), labels: managedByLabel, annotations },
    spec,
  };
  return { stage, object };
}

/**
 * ValidatingAdmissionPolicy: nobody but the groups puts the label on a pod of the namespace, or changes it there. Pods are
 * labelled in more ways than one: when they are made, through their subresources, and when the scheduler binds them.
 */
function labelGuard(namespace: string, groups: readonly string[]): readonly DraftDocument[] {
  const name = `protect-bypass-label-in-${namespace}`;
  const apiVersion = "admissionregistration.k8s.io/v1";
  const label = (object: string): string => `${object}.metadata.labels['${bypassLabel}']`;
  const has = (object: string): string =>
    `has(${object}.metadata.labels) && '${bypassLabel}' in ${object}.metadata.labels`;
  const policy: PlannedObject = {
    apiVersion,
    kind: "ValidatingAdmissionPolicy",
    metadata: { name, labels: managedByLabel },
    spec: {
      failurePolicy: "Fail",
      matchConstraints: {
        namespaceSelector: { matchLabels: { [namespaceNameLabel]: namespace } },
        resourceRules: [
          {
            apiGroups: [""],
            apiVersions: ["*"],
            operations: ["CREATE", "UPDATE"],
            resources: ["pods", "pods/*", "bindings"],
          },
        ],
      },
      matchConditions: [
        {
          name: "not-granted",
          expression: `!request.userInfo.groups.exists(group, group in [${groups.map((group) => JSON.stringify(group)).join(", ")}])`,
        },
      ],
      validations: [
        {
          expression: `!(${has("object")}) || (oldObject != null && ${has("oldObject")} && ${label("oldObject")} == ${label("object")})`,
          message:
            "This label lifts the policies of a pod. Only the groups that a bypass is granted to may set it, on a running pod.",
        },
      ],
    },
  };
  const binding: PlannedObject = {
    apiVersion,
    kind: "ValidatingAdmissionPolicyBinding",
    metadata: { name: `${name}-binding`, labels: managedByLabel },
    spec: { policyName: name, validationActions: ["Deny"] },
  };
  return [
    { stage: "platform", object: policy },
    { stage: "platform", object: binding, after: [name] },
  ];
}
