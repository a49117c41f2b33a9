/** Calico beneath a declaration. */
import type { NamespaceDeclaration } from "../../plan/index";
import { defaultExemptNamespaces, Dialect, Tier } from "../../plan/index";
import type { CalicoCniArgs } from "../calico-cni";
import { calicoArguments } from "../calico-cni";
import { defaultCalicoNamespace } from "../platform-namespaces";
import type { Cni, Enforcement, Meshed } from "./cni";
import { withFacts } from "./cni";

export const calico: Cni = {
  dialect: Dialect.Calico,
  clusterNetworkPolicySince: "3.32.0",
  arguments: calicoArguments,
  enforcement: beneathCalico,
};

/** Where the operator runs Calico itself: a default deny there would cut off what enforces it. */
const calicoNamespaces = ["calico-system", "calico-apiserver"];

function beneathCalico(meshed: Meshed, calico: CalicoCniArgs): Enforcement {
  const { declaration } = meshed;
  const namespaces = declaration.namespaces ?? [];
  const isDeclared = (name: string): boolean => namespaces.some((one) => one.name === name);
  const exempt = new Set(declaration.exemptNamespaces ?? defaultExemptNamespaces);
  for (const name of calicoNamespaces) if (!isDeclared(name)) exempt.add(name);
  // the operator is on the host network, which policies do not reach: its namespace is isolated like any other
  const home: NamespaceDeclaration = {
    name: calico.namespace ?? defaultCalicoNamespace,
    tier: Tier.SharedServices,
    existing: true,
  };
  const isOurs = calico.existing !== true && !isDeclared(home.name) && !exempt.has(home.name);
  const dialect = declaration.dialect ?? Dialect.Calico;
  return {
    ...meshed,
    declaration: withFacts(
      {
        ...declaration,
        dialect,
        exemptNamespaces: [...exempt],
        namespaces: isOurs ? [...namespaces, home] : namespaces,
      },
      dialect === Dialect.Calico ? calico.version : undefined,
    ),
    calico,
    warnings: [],
  };
}
