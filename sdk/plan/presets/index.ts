export { certManager, letsEncryptServers } from "./cert-manager";
export type { Expansion } from "./expansion";
export { presetOwner } from "./expansion";
export { externalSecrets } from "./external-secrets";
export { observability } from "./observability";
