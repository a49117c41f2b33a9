/** A declaration as files that Flux, Argo CD, kustomize or kubectl applies in a safe order. Pure. */
export { RenderError } from "./errors";
export type { RenderedFile } from "./files";
export { idOf } from "./objects";
export type { OrderStep } from "./moments";
export type { OnTheWay, OrderProof } from "./order";
export { proveOrder } from "./order";
export { policyFiles } from "./policy-tree";
export type { RenderRecord } from "./record";
export { readRecord, recordFile, writeRecord } from "./record";
export type { EarlierRendering, Rendering, TwoCommits } from "./render";
export { render, standingObjects } from "./render";
export type { Change } from "./safe-order";
export { safeOrder } from "./safe-order";
export type { RenderSettings, RenderTarget } from "./settings";
export { defaultSettings, renderTargets } from "./settings";
