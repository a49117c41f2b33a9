/** Credential services of the clouds that a workload may be given although metadata endpoints are closed. */
import type { CidrRange } from "./addresses";
import { MetadataService, Protocol } from "./declaration";
import type { PortRange } from "./model";

/** Where a service answers. All of them run on the host network of the pod's own node. */
export interface MetadataServiceFacts {
  readonly ranges: readonly CidrRange[];
  readonly ports: readonly PortRange[];
}

const at = (...cidrs: string[]): readonly CidrRange[] => cidrs.map((cidr) => ({ cidr, except: [] }));
const tcp = (from: number, to = from): readonly PortRange[] => [{ protocol: Protocol.TCP, from, to }];

/** Sources: docs.aws.amazon.com "Set up the Amazon EKS Pod Identity Agent"; cloud.google.com "Workload Identity Federation for GKE", network policies. */
export const metadataServices: Readonly<Record<MetadataService, MetadataServiceFacts>> = {
  [MetadataService.EksPodIdentity]: { ranges: at("169.254.170.23/32", "fd00:ec2::23/128"), ports: tcp(80) },
  [MetadataService.GkeMetadataServer]: { ranges: at("169.254.169.252/32"), ports: tcp(987, 988) },
  [MetadataService.GkeMetadataServerV2]: { ranges: at("169.254.169.254/32"), ports: tcp(80) },
};
