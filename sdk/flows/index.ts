/** Recorded flows: read from whatever recorded them, and held against policies. Pure: no file system, no cluster. */
export type { AskedLine } from "./ask";
export { askAboutLine } from "./ask";
export { attemptsOf } from "./classes";
export type { DeclaredFlow } from "./declared";
export { declaredFlows } from "./declared";
export { declarationLine } from "./declaration-line";
export type { FlowRecord, LineContent, RecordedEnd } from "./record";
export { readLine } from "./line";
export type { Recording } from "./recording";
export { RecordingReader } from "./recording";
export type { ReplayedFlow } from "./replay";
export { replay, replayEffects } from "./replay";
