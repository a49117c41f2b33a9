/** Recorded flows: read from whatever recorded them, and held against policies. Pure: no file system, no cluster. */
export type { AskedLine } from "./ask";
export { askAboutLine } from "./ask";
export type { FlowClass } from "./classes";
export { attemptsOf } from "./classes";
export type { DeclaredFlow } from "./declared";
export { declaredFlows } from "./declared";
export { declarationLine } from "./declaration-line";
export type { FlowRecord, LineContent, RecordedEnd } from "./record";
export { readLine } from "./line";
export type { Learned, LeftOut } from "./learn/learn";
export { learn } from "./learn/learn";
export { judgeOf, withLearned } from "./learn/holdout";
export type { DeclarationForm } from "./learn/written";
export { declarationOf, writtenDeclaration } from "./learn/written";
export type { Recording } from "./recording";
export { RecordingReader } from "./recording";
export type { ReplayedFlow } from "./replay";
export { replay, replayEffects } from "./replay";
