/**
 * Declarations that the types refuse. Every `@ts-expect-error` is an error of the compiler where it is not needed, and
 * `types.test.ts` takes them all out and counts what the compiler says then.
 */
import type { ClusterSecurityDeclaration, FlowDeclaration, WorkloadDeclaration } from "../../sdk/plan/index";
import {
  Dialect,
  Entity,
  MetadataService,
  PolicyMode,
  Tier,
  allOf,
  cidr,
  flow,
  fqdn,
  kubeApiserver,
  namespace,
  port,
  tcp,
  tcpRange,
  workload,
} from "../../sdk/plan/index";

const toApi = flow("web").to("api");

export const illegalFlows: readonly (() => unknown)[] = [
  // @ts-expect-error a DNS name opens no connection
  () => flow(fqdn("api.example.com")).to("web"),
  // @ts-expect-error the ingress proxies accept none from pods
  () => flow("web").to({ entity: Entity.Ingress }),
  // @ts-expect-error no number where a peer stands
  () => flow(3000).to("web"),
  // @ts-expect-error an entity is one of the enum
  () => flow("web").to({ entity: "internet" }),
  // @ts-expect-error exceptions belong to a range, and are texts
  () => cidr("10.0.0.0/8", [10]),
  // @ts-expect-error a port is a number
  () => toApi.on(tcp("80")),
  // @ts-expect-error a port's name is a text
  () => toApi.on(port(80)),
  // @ts-expect-error a range has two ends
  () => toApi.on(tcpRange(80)),
  // @ts-expect-error ports come before the reason
  () => toApi.because("calls"),
  // @ts-expect-error a reason is a text
  () => toApi.on(tcp(80)).because(),
  // @ts-expect-error an owner is a text
  () => toApi.on(tcp(80)).because("calls").ownedBy(undefined),
  // @ts-expect-error a flow without an owner is no flow
  (): FlowDeclaration => toApi.on(tcp(80)).because("calls"),
  // @ts-expect-error a flow without a reason is no flow
  (): FlowDeclaration => ({ from: allOf("shop"), to: kubeApiserver(), owner: "team" }),
];

export const illegalDeclarations: readonly (() => unknown)[] = [
  // @ts-expect-error a misspelt field
  (): ClusterSecurityDeclaration => ({ flow: [] }),
  // @ts-expect-error no such dialect
  (): ClusterSecurityDeclaration => ({ dialect: "weave" }),
  // @ts-expect-error the plain word is not the enum
  (): ClusterSecurityDeclaration => ({ dialect: "cilium" }),
  // @ts-expect-error a mode is not a flag
  (): ClusterSecurityDeclaration => ({ dialect: Dialect.Calico, mode: true }),
  // @ts-expect-error no such tier
  () => namespace("shop", { tier: 3 }),
  // @ts-expect-error the name is the first argument
  () => namespace("shop", { name: "other" }),
  // @ts-expect-error a mode of another enum
  () => namespace("shop", { mode: Tier.Platform }),
  // @ts-expect-error labels are texts
  () => workload("shop/web", { labels: { app: 1 } }),
  // @ts-expect-error a misspelt field
  () => workload("shop/web", { serviceAcount: "web" }),
  // @ts-expect-error every exception has a reason and an owner
  () => workload("shop/web", { metadataAccess: [{ service: MetadataService.EksPodIdentity }] }),
  // @ts-expect-error the instance's own metadata is no service that a workload is given
  () => workload("shop/web", { metadataAccess: [{ service: "169.254.169.254", reason: "r", owner: "o" }] }),
  // @ts-expect-error a workload has a namespace
  (): WorkloadDeclaration => ({ name: "web" }),
  // @ts-expect-error tenants end their exceptions
  (): ClusterSecurityDeclaration => ({ tenants: [{ name: "a", namespaces: [], exceptions: [{ flow: toApi }] }] }),
  // @ts-expect-error what is enforced is not a list of modes
  (): ClusterSecurityDeclaration => ({ mode: [PolicyMode.Audit] }),
];
