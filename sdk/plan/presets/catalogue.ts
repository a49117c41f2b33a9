/** All presets, by the field of the declaration that holds their options. */
import type { PlatformDeclaration } from "../declaration";
import { agentSandbox } from "./agent-sandbox";
import { argoCd } from "./argo-cd";
import { celery } from "./celery";
import { certManager } from "./cert-manager";
import { ciliumGateway } from "./cilium-gateway";
import { connectivityTest } from "./connectivity-test";
import { coreDns } from "./core-dns";
import type { ApplicationPresets } from "./declarations";
import { envoyGateway } from "./envoy-gateway";
import { externalSecrets } from "./external-secrets";
import { flux } from "./flux";
import { ingressNginx } from "./ingress-nginx";
import { observability } from "./observability";
import { postgresql } from "./postgresql";
import type { Preset } from "./preset";
import { prometheus } from "./prometheus";
import { rabbitmq } from "./rabbitmq";
import { redis } from "./redis";
import { traefik } from "./traefik";
import { victoriaMetrics } from "./victoria-metrics";

/** Fields of `platform` that are presets: each is there once at most. */
export type PlatformPreset = Exclude<keyof PlatformDeclaration, "services">;
/** Fields of `applications`: each is a list. */
export type ApplicationPreset = keyof ApplicationPresets;

type OptionsOf<Field> = NonNullable<Field> extends readonly (infer Item extends object)[] ? Item : NonNullable<Field>;

/** Shared services of tier 1. */
export const platformPresets: { readonly [Field in PlatformPreset]: Preset<OptionsOf<PlatformDeclaration[Field]>> } = {
  certManager,
  externalSecrets,
  observability,
  coreDns,
  ingressNginx,
  traefik,
  envoyGateway,
  ciliumGateway,
  prometheus,
  victoriaMetrics,
  flux,
  argoCd,
  connectivityTest,
};

/** What applications bring with them, tier 2. */
export const applicationPresets: {
  readonly [Field in ApplicationPreset]: Preset<OptionsOf<ApplicationPresets[Field]>>;
} = { postgresql, redis, rabbitmq, celery, agentSandboxes: agentSandbox };
