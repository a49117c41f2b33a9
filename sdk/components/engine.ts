/** What the component's program runs on. */
import * as pulumi from "@pulumi/pulumi";

/**
 * Whether a real engine listens, which takes hooks and reads objects. Pulumi's mock engine cannot take hooks, says that it
 * can, and would never answer: a unit test of somebody's program would hang. It updates and reads nothing either. An
 * engine that is too old for hooks refuses them itself.
 */
export function isRealEngine(): boolean {
  const monitor: { readonly registerResourceHook?: unknown } | undefined = pulumi.runtime.getMonitor();
  return typeof monitor?.registerResourceHook === "function";
}

/** Whether the program is written in another language: a Node.js program has a stack, the plugin that serves others has none. */
export function isConstructedForAnotherLanguage(): boolean {
  return isRealEngine() && pulumi.runtime.getStackResource() === undefined;
}
