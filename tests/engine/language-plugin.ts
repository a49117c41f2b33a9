/** The plugin of the checkout, attached to the engine: one process for all suites of a run. */
import type { Socket } from "node:net";
import { schemaOf, startPlugin } from "../support/plugin";
import { repository } from "./shared-lab";

/** A plugin that serves more than one operation of the engine. */
export interface AttachedPlugin {
  /** Has the engine use the process. */
  readonly env: Readonly<Record<string, string>>;
  /** The package's schema, as JSON. */
  readonly schema: string;
}

let attached: Promise<AttachedPlugin> | undefined;

/** Each operation of the engine would start one of its own, which takes 2 CPU seconds. */
export function attachedPlugin(): Promise<AttachedPlugin> {
  return (attached ??= attachPlugin());
}

async function attachPlugin(): Promise<AttachedPlugin> {
  const plugin = await startPlugin(repository);
  const schema = await schemaOf(plugin);
  // it ends with the run, and keeps nobody waiting
  plugin.process.unref();
  (plugin.process.stdout as Socket).unref();
  return { env: { PULUMI_DEBUG_PROVIDERS: `pulumi-cluster-security:${plugin.port}` }, schema };
}
