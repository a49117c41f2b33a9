/** Ways in through Ingresses (networking.k8s.io/v1). */
import type { Engine } from "../../engine/engine";
import { groupOf, mapsOf, numberOf, refOf, textOf } from "./fields";
import { mapOf, type Fields } from "../../model/plain";
import { carrierOfIngress } from "./proxies";
import type { Services } from "./services";
import type { Way } from "./ways";
import { YES } from "../../model/unknown";

export function ingressWays(engine: Engine, services: Services): Way[] {
  const { others } = engine.snapshot;
  const controllers = new Map<string, string | undefined>();
  let standard: string | undefined;
  for (const each of others) {
    if (each.object.kind !== "IngressClass" || groupOf(each) !== "networking.k8s.io") continue;
    const { name } = refOf(each);
    controllers.set(name, textOf(mapOf(each.object.spec)["controller"]));
    const annotations = mapOf(each.object.metadata?.annotations);
    if (annotations["ingressclass.kubernetes.io/is-default-class"] === "true") standard = name;
  }
  return others.flatMap((each): Way[] => {
    if (each.object.kind !== "Ingress" || !["networking.k8s.io", "extensions"].includes(groupOf(each))) return [];
    const ref = refOf(each);
    const spec = mapOf(each.object.spec);
    const annotations = mapOf(each.object.metadata?.annotations);
    const className =
      textOf(spec["ingressClassName"]) ?? textOf(annotations["kubernetes.io/ingress.class"]) ?? standard;
    const controller = className === undefined ? undefined : (controllers.get(className) ?? wellKnown[className]);
    const { carrier, because } = carrierOfIngress(engine, controller);
    return backendsOf(spec).flatMap(({ service, host }): Way[] => {
      const name = textOf(service["name"]);
      const port = mapOf(service["port"]);
      const target =
        name === undefined
          ? undefined
          : services.behind(ref.namespace, name, numberOf(port["number"]) ?? textOf(port["name"]));
      if (target === undefined) return [];
      return [{ via: ref, carrier, target, open: YES, because: [`host ${host}`, because] }];
    });
  });
}

/** Names of classes that controllers use without an IngressClass object. */
const wellKnown: Readonly<Record<string, string>> = {
  nginx: "k8s.io/ingress-nginx",
  traefik: "traefik.io/ingress-controller",
  cilium: "cilium.io/ingress-controller",
  alb: "ingress.k8s.aws/alb",
  gce: "k8s.io/ingress-gce",
  "gce-internal": "k8s.io/ingress-gce",
};

function backendsOf(spec: Fields): { service: Fields; host: string }[] {
  const serviceOf = (backend: unknown): Fields => mapOf(mapOf(backend)["service"]);
  const found = mapsOf(spec["rules"]).flatMap((rule) =>
    mapsOf(mapOf(rule["http"])["paths"]).map((path) => ({
      service: serviceOf(path["backend"]),
      host: textOf(rule["host"]) ?? "*",
    })),
  );
  return [{ service: serviceOf(spec["defaultBackend"]), host: "*" }, ...found];
}
