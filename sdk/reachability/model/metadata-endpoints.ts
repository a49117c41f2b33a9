import { formatAddress, parseAddress } from "./sets/addresses";

/** An address at which a cloud answers questions about the machine, often with credentials. */
export interface MetadataEndpoint {
  readonly cloud: string;
  readonly address: string;
  readonly family: 4 | 6;
  readonly purpose: string;
  /** TCP ports the service is known to listen on. The address is to be closed on every port: it may be proxied. */
  readonly ports: readonly number[];
  /** What may stay open, and for whom. */
  readonly standingException?: { readonly protocol: "TCP" | "UDP"; readonly port: number; readonly reason: string }[];
  /** For another form of an IPv4 endpoint: that endpoint's address. */
  readonly formOf?: string;
}

type Native = Omit<MetadataEndpoint, "family" | "formOf">;

/**
 * The endpoints themselves. Source: cloud-init's data sources (cloudinit/sources/*.py) and the clouds' documentation.
 * Addresses for DNS and time that must stay open (169.254.169.253, 169.254.169.123, NodeLocal DNSCache 169.254.20.10)
 * are no metadata endpoints and are not listed.
 */
const native: readonly Native[] = [
  {
    cloud:
      "AWS, Azure, GCP, OCI, DigitalOcean, Exoscale, UpCloud, Vultr, CloudCIX, NWCS, Hetzner, OpenStack, Akamai, IBM VPC",
    address: "169.254.169.254",
    purpose: "instance metadata and credentials",
    ports: [80],
  },
  { cloud: "AWS", address: "fd00:ec2::254", purpose: "instance metadata and credentials", ports: [80] },
  { cloud: "AWS", address: "169.254.170.2", purpose: "ECS task credentials", ports: [80] },
  { cloud: "AWS", address: "169.254.170.23", purpose: "EKS Pod Identity credentials", ports: [80, 2703] },
  { cloud: "AWS", address: "fd00:ec2::23", purpose: "EKS Pod Identity credentials", ports: [80, 2703] },
  {
    cloud: "Azure",
    address: "168.63.129.16",
    purpose: "WireServer: certificates and extension settings",
    ports: [80, 32526],
    standingException: [
      { protocol: "UDP", port: 53, reason: "Azure's DNS, for the cluster's DNS pods only" },
      { protocol: "TCP", port: 53, reason: "Azure's DNS, for the cluster's DNS pods only" },
    ],
  },
  { cloud: "GCP", address: "fd20:ce::254", purpose: "instance metadata and credentials", ports: [80] },
  { cloud: "GCP", address: "169.254.169.252", purpose: "GKE metadata server (node-local)", ports: [988, 987] },
  { cloud: "OCI", address: "fd00:c1::a9fe:a9fe", purpose: "instance metadata and credentials", ports: [80] },
  { cloud: "OCI classic", address: "192.0.0.192", purpose: "instance metadata", ports: [80] },
  { cloud: "Alibaba", address: "100.100.100.200", purpose: "instance metadata and credentials", ports: [80] },
  { cloud: "Hetzner, OpenStack", address: "fe80::a9fe:a9fe", purpose: "instance metadata", ports: [80] },
  { cloud: "Scaleway", address: "169.254.42.42", purpose: "instance metadata", ports: [80] },
  { cloud: "Scaleway", address: "fd00:42::42", purpose: "instance metadata", ports: [80] },
  { cloud: "Akamai", address: "fd00:a9fe:a9fe::1", purpose: "instance metadata", ports: [80] },
  { cloud: "Tencent", address: "169.254.0.23", purpose: "instance metadata and credentials", ports: [80] },
  { cloud: "Rancher", address: "169.254.169.250", purpose: "Rancher metadata", ports: [80] },
];

const mappedPrefix = 0xffffn << 32n;
/** The well-known prefix of NAT64, 64:ff9b::/96 (RFC 6052). */
const nat64Prefix = 0x0064ff9bn << 96n;
/** 6to4, 2002:V4ADDR::/48 (RFC 3056). */
const sixToFourPrefix = 0x2002n << 112n;

/** IPv6 forms through which a gateway or a socket library reaches an IPv4 address. */
function forms(endpoint: Native): MetadataEndpoint[] {
  const v4 = parseAddress(endpoint.address);
  if (v4 === undefined || v4.family !== 4) return [];
  const alternatives: [string, bigint][] = [
    ["IPv4-mapped form", mappedPrefix | v4.value],
    ["NAT64 form", nat64Prefix | v4.value],
    ["6to4 form", sixToFourPrefix | (v4.value << 80n)],
  ];
  return alternatives.map(([form, value]) => ({
    ...endpoint,
    address: formatAddress({ family: 6, value }),
    family: 6,
    purpose: `${endpoint.purpose} (${form} of ${endpoint.address})`,
    formOf: endpoint.address,
  }));
}

/** Every cloud's metadata addresses, IPv4 and IPv6, with the IPv4-mapped, NAT64 and 6to4 forms of the IPv4 ones. */
export const metadataEndpoints: readonly MetadataEndpoint[] = [
  ...native.map((endpoint): MetadataEndpoint => ({ ...endpoint, family: endpoint.address.includes(":") ? 6 : 4 })),
  ...native.flatMap(forms),
];
