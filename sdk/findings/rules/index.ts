import type { Rule } from "../types";
import { metadataEndpointsClosed } from "./metadata-endpoints-closed";
import { namespaceDefaultDeny } from "./namespace-default-deny";
import { notUnderstood } from "./not-understood";

/** Every rule, in the order in which reports list them. */
export const rules: readonly Rule[] = [namespaceDefaultDeny, metadataEndpointsClosed, notUnderstood];
