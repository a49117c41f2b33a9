/** Sets of CustomResourceDefinitions that the lab can install, each from the released Go module that owns it. */
export type CrdSetName =
  | "cilium"
  | "cilium-all"
  | "cluster-network-policy"
  | "istio"
  | "gateway-api"
  | "prometheus-operator"
  | "cert-manager"
  | "external-secrets";

/** Where the documents of a set lie. */
export interface CrdSet {
  readonly module: string;
  /** Folders or files inside the module; of a folder its YAML files are taken. */
  readonly paths: readonly string[];
}

export const crdSets: Readonly<Record<CrdSetName, CrdSet>> = {
  // what people write; the operator's and agent's own bookkeeping is in cilium-all
  cilium: {
    module: "github.com/cilium/cilium",
    paths: [
      "ciliumnetworkpolicies",
      "ciliumclusterwidenetworkpolicies",
      "ciliumcidrgroups",
      "ciliumegressgatewaypolicies",
      "ciliumlocalredirectpolicies",
    ].map((name) => `pkg/k8s/apis/cilium.io/client/crds/v2/${name}.yaml`),
  },
  "cilium-all": {
    module: "github.com/cilium/cilium",
    paths: ["pkg/k8s/apis/cilium.io/client/crds/v2", "pkg/k8s/apis/cilium.io/client/crds/v2alpha1"],
  },
  "cluster-network-policy": {
    module: "sigs.k8s.io/network-policy-api",
    paths: ["config/crd/standard/policy.networking.k8s.io_clusternetworkpolicies.yaml"],
  },
  istio: { module: "istio.io/api", paths: ["kubernetes/customresourcedefinitions.gen.yaml"] },
  "gateway-api": { module: "sigs.k8s.io/gateway-api", paths: ["config/crd/standard"] },
  "prometheus-operator": {
    module: "github.com/prometheus-operator/prometheus-operator",
    paths: ["example/prometheus-operator-crd"],
  },
  "cert-manager": { module: "github.com/cert-manager/cert-manager", paths: ["deploy/crds"] },
  "external-secrets": { module: "github.com/external-secrets/external-secrets", paths: ["config/crds/bases"] },
};
