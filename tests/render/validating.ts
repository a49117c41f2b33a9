/** Sets the condition `Valid` on Cilium's policies as soon as they are there, in the place of Cilium's operator. */
import { readFileSync } from "node:fs";
import type { ClientRequest } from "node:http";
import { Agent, request } from "node:https";
import type { Live, FluxCluster } from "./flux-cluster";

const collections = ["ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies"];

/** Goes on until it is stopped. */
export class Validating {
  readonly #agent: Agent;
  readonly #streams: ClientRequest[];
  #ending = false;

  constructor(private readonly cluster: FluxCluster) {
    this.#agent = new Agent({ ca: readFileSync(cluster.controlPlane.certificateAuthority) });
    this.#streams = collections.map((plural) => this.#follow(plural));
  }

  stop(): void {
    this.#ending = true;
    for (const stream of this.#streams) stream.destroy();
    this.#agent.destroy();
  }

  #follow(plural: string): ClientRequest {
    const { server, token } = this.cluster.controlPlane;
    const stream = request(
      new URL(`/apis/cilium.io/v2/${plural}?watch=true&timeoutSeconds=3600`, server),
      { agent: this.#agent, headers: { authorization: `Bearer ${token}`, accept: "application/json" } },
      (response) => {
        let partial = "";
        response.setEncoding("utf8").on("data", (text: string) => {
          const lines = (partial + text).split("\n");
          partial = lines.pop() ?? "";
          for (const line of lines) this.#see(JSON.parse(line) as { type: string; object: Live });
        });
        response.on("error", () => undefined);
      },
    );
    stream.on("error", (error) => {
      if (!this.#ending) throw error;
    });
    stream.end();
    return stream;
  }

  #see({ type, object }: { type: string; object: Live }): void {
    const isSet = object.status?.conditions?.some((condition) => condition.type === "Valid") === true;
    if (type === "DELETED" || isSet) return;
    // it may be gone again
    this.cluster.setValid(object, "True").catch(() => undefined);
  }
}
