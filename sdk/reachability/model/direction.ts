/** The direction in which a policy applies to the pods that it selects. */
export type Direction = "ingress" | "egress";
