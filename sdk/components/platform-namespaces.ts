/** Where Calico's operator runs when nothing else is said. */
export const defaultCalicoNamespace = "tigera-operator";

/** Lets privileged pods into the namespace: what programs the nodes cannot do without. */
export const privilegedNamespace: Readonly<Record<string, string>> = {
  "pod-security.kubernetes.io/enforce": "privileged",
};
