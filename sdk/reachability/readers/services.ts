import type { KubeObject } from "../objects";

/** Services and their endpoints by `namespace/name`, for rules that name a Service. */
export interface ServiceTable {
  find(namespace: string, name: string): ServiceEntry | undefined;
  list(): Iterable<ServiceEntry>;
}

export interface ServiceEntry {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly object: KubeObject;
  /** Addresses in the EndpointSlices and Endpoints of the Service. */
  readonly endpoints: readonly string[];
}
