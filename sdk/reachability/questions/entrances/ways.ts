/** Ways from outside the cluster to the pods behind a Service. */
import type { Endpoint } from "../../engine/endpoints";
import type { ObjectRef } from "../../model/objects";
import type { AddressSet } from "../../model/sets/addresses";
import { labelOf } from "../../model/selectors/labels";
import type { Workload } from "../../model/snapshot";
import { isUnknown, MAYBE, NO, triAnd, YES, type Tri } from "../../model/unknown";

import type { Fields } from "../../model/plain";

/** Who sends the last packet, the one that reaches the pod. */
export type Carrier =
  /** The client with its own address; any, unless the object names ranges. */
  | { readonly kind: "client"; readonly from?: AddressSet }
  /** A node that puts its own address in place of the client's; perhaps the client, where the pod runs on that node. */
  | { readonly kind: "node"; readonly perhapsClient: boolean }
  /** Proxies in the cluster; each is one of several possibilities of what it is. */
  | { readonly kind: "proxies"; readonly proxies: readonly (readonly Endpoint[])[] }
  /** A proxy in the cluster of which nothing is known. */
  | { readonly kind: "somebody" }
  /** A load balancer outside the cluster, at an address of its own that is not known. */
  | { readonly kind: "outside" };

/** A way in, up to the pods behind a Service. */
export interface Way {
  readonly via: ObjectRef;
  readonly carrier: Carrier;
  /** Where the pods are. */
  readonly target: Target;
  /** Whether the way is open at all: a Gateway may not be in the snapshot. Never NO. */
  readonly open: Tri;
  /** How traffic comes in, and what is not known about it. */
  readonly because: readonly string[];
}

/** The pods behind a Service, or of one workload. */
export interface Target {
  readonly namespace: string;
  /** The Service, where there is one. */
  readonly service?: ObjectRef;
  readonly selects: (workload: Workload) => Tri;
  /** The ports that are open, as the Service's `spec.ports` names them. */
  readonly ports: readonly Fields[];
  /** The one port of the Service that is used; all where nothing is said. */
  readonly port?: number | string;
}

/** Whether a map of labels, as a Service has it, selects a pod. An empty one selects none. */
export function selectsByLabels(selector: Fields): (workload: Workload) => Tri {
  const entries = Object.entries(selector);
  return (workload) => {
    if (entries.length === 0) return NO;
    return entries.reduce<Tri>((result, [key, value]) => {
      const label = labelOf(workload.labelSet, key);
      if (label === undefined) return NO;
      if (isUnknown(label) || typeof value !== "string" || isUnknown(value)) return triAnd(result, MAYBE);
      return label === value ? result : NO;
    }, YES);
  };
}
