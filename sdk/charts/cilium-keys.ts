/** Keys of the Cilium chart that came, moved or went between 1.16 and 1.20, read from the published charts. */
import type { AbsentKey } from "./absent-keys";

/** What a version does not have, with what takes its place. Every key that went away since 1.17 is listed. */
export const ciliumAbsentKeys: readonly AbsentKey[] = [
  ...gone(">=1.20.0", {
    "encryption.strictMode.enabled": "encryption.strictMode.egress.enabled",
    "encryption.strictMode.cidr": "encryption.strictMode.egress.cidr",
    "encryption.strictMode.allowRemoteNodeIdentities": "encryption.strictMode.egress.allowRemoteNodeIdentities",
    "encryption.ipsec.encryptedOverlay": "encryption.type: wireguard, which covers the overlay",
    "clustermesh.apiserver.tls.admin": "clustermesh.apiserver.tls.auto",
    "clustermesh.apiserver.tls.remote": "clustermesh.apiserver.tls.auto",
    "clustermesh.apiserver.tls.server": "clustermesh.apiserver.tls.auto",
    "clustermesh.apiserver.tls.enableSecrets": "clustermesh.apiserver.tls.auto",
    "clustermesh.enableMCSAPISupport": "clustermesh.mcsapi.enabled",
    "hubble.redact.kafka": undefined,
    "hubble.ui.backend.livenessProbe": undefined,
    "hubble.ui.backend.readinessProbe": undefined,
    "preflight.tofqdnsPreCache": undefined,
  }),
  ...gone(">=1.19.0", {
    "clustermesh.apiserver.tls.client": "clustermesh.apiserver.tls.auto",
    customCalls: undefined,
    "l2podAnnouncements.interface": "l2podAnnouncements.interfacePattern",
    "nodePort.enabled": "kubeProxyReplacement",
    svcSourceRangeCheck: undefined,
  }),
  ...gone(">=1.18.0", {
    "hubble.export.fileMaxSizeMb": "hubble.export.static.fileMaxSizeMb",
    "hubble.export.fileMaxBackups": "hubble.export.static.fileMaxBackups",
    "hubble.relay.dialTimeout": undefined,
    enableCiliumEndpointSlice: "ciliumEndpointSlice.enabled",
    "ciliumEndpointSlice.sliceMode": undefined,
    enableK8sTerminatingEndpoint: undefined,
    enableRuntimeDeviceDetection: undefined,
    "eni.updateEC2AdapterLimitViaAPI": undefined,
    externalWorkloads: undefined,
    highScaleIPcache: undefined,
    hostPort: "kubeProxyReplacement",
    "l2NeighDiscovery.refreshPeriod": undefined,
    "loadBalancer.experimental": undefined,
  }),
  ...gone(">=1.17.0", { "encryption.wireguard.userspaceFallback": "a kernel with WireGuard (5.6)" }),
  ...gone("<1.20.0", { k8sClusterNetworkPolicy: "Cilium 1.20 or newer" }),
  ...gone("<1.19.0", {
    "encryption.strictMode.egress": "encryption.strictMode.enabled and .cidr",
    "encryption.strictMode.ingress": "Cilium 1.19 or newer",
    "encryption.ztunnel": "Cilium 1.19 or newer",
    policyDenyResponse: "Cilium 1.19 or newer",
    standaloneDnsProxy: "Cilium 1.19 or newer",
    "hubble.export.static.fieldAggregate": "Cilium 1.19 or newer",
  }),
  ...gone("<1.18.0", {
    "hubble.networkPolicyCorrelation": "Cilium 1.18 or newer",
    "hubble.export.static.fileMaxSizeMb": "hubble.export.fileMaxSizeMb",
    "hubble.export.static.fileMaxBackups": "hubble.export.fileMaxBackups",
    "bpf.policyStatsMapMax": "Cilium 1.18 or newer",
  }),
];

function gone(versions: string, keys: Readonly<Record<string, string | undefined>>): AbsentKey[] {
  return Object.entries(keys).map(([key, instead]) => ({ key, versions, instead }));
}
