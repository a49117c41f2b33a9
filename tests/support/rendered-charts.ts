/** Charts as Pulumi's own provider renders them, with Helm: in a preview, so that nothing is installed. */
import * as k8s from "@pulumi/kubernetes";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import type { Lab } from "../../lab/index";
import type { ChartValues } from "../../sdk/charts/index";
import { openStack, operate } from "../engine/automation";

/** A chart in a folder, and what it is told. */
export interface ChartRequest {
  readonly chart: string;
  readonly namespace: string;
  readonly values: ChartValues;
}

/** Objects of each chart, by its key. */
export async function renderCharts<O>(
  lab: Lab,
  charts: Readonly<Record<string, ChartRequest>>,
): Promise<ReadonlyMap<string, readonly O[]>> {
  const program = (): Promise<void> => {
    // the objects are asked of nobody: their namespaces and kinds are not there
    const provider = new k8s.Provider("rendering", { enableServerSideApply: false });
    for (const [key, { chart, namespace, values }] of Object.entries(charts)) {
      new k8s.helm.v4.Chart(key, { name: "rendered", chart, namespace, values: { ...values } }, { provider });
    }
    return Promise.resolve();
  };
  const stack = await openStack({ project: "rendered", stack: "charts", lab, program });
  const { events, error } = await operate(stack, "preview");
  if (error !== undefined) throw new Error(error);
  return new Map(Object.keys(charts).map((key) => [key, events.flatMap((event) => objectOf<O>(event, key))]));
}

/** The object that an event is about, where the chart of this key made it. */
function objectOf<O>(event: EngineEvent, key: string): O[] {
  const metadata = event.resourcePreEvent?.metadata;
  const name = metadata?.urn.split("::").at(-1) ?? "";
  const inputs: unknown = metadata?.new?.inputs;
  return metadata?.urn.includes("kubernetes:helm.sh/v4:Chart$") && name.startsWith(`${key}:`) ? [inputs as O] : [];
}
