export type { ApplicationPreset, PlatformPreset } from "./catalogue";
export { applicationPresets, platformPresets } from "./catalogue";
export type { ApplicationPresets, BackendDeclaration } from "./declarations";
export type { Expansion } from "./expansion";
export { presetOwner } from "./expansion";
export type { Preset, PresetContext } from "./preset";
