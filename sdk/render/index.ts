/** A declaration as files that Flux, Argo CD, kustomize or kubectl applies in a safe order. Pure. */
export { RenderError } from "./errors";
export type { RenderedFile } from "./files";
export type { OnTheWay, OrderProof } from "./order";
export { proveOrder } from "./order";
export type { RenderRecord } from "./record";
export { readRecord, recordFile, writeRecord } from "./record";
export type { EarlierRendering, Rendering, TwoCommits } from "./render";
export { objectsOfEarlier, render } from "./render";
export type { RenderSettings, RenderTarget } from "./settings";
export { defaultSettings, renderTargets } from "./settings";
