/** What sends connections to other pods than those they are addressed to. */
import type { Condition } from "./selectors/conditions";
import type { PortProtocol } from "./sets/ports";
import type { Tri } from "./unknown";

export interface RedirectPort {
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly name?: string;
}

export interface Redirect {
  readonly namespace: string;
  readonly name: string;
  /** Either a Service or an address, on all its ports where none is listed. */
  readonly frontend: {
    readonly service?: { readonly namespace: string; readonly name: string };
    readonly address?: string;
    readonly ports: readonly RedirectPort[];
  };
  /** The pods of the policy's namespace that get the traffic. */
  readonly backend: Condition;
  readonly backendPorts: readonly RedirectPort[];
  /** Whether the agent looks at such policies at all. */
  readonly inForce: Tri;
}
