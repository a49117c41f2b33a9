/** Effects on a cluster: the client and the live snapshot's objects. Only reads. */
export { ApiClient, ApiError, type ApiClientOptions, type Connection } from "./api-client";
export { ClusterError } from "./errors";
export { kindsToRead, type KindToRead } from "./kinds";
export { connect, inCluster, type ContextOptions } from "./kubeconfig";
export { readLiveObjects, type LiveObjects, type LiveOptions } from "./live-objects";
export { withoutOwned } from "./owners";
export { readingRole, type RoleOptions } from "./role";
