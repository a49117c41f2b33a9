/** The provider's requests and answers as plain data; `service.ts` turns them into Pulumi's protocol. */
import type { Autonaming } from "./naming";
import type { Change } from "./diff";
import type { PropertyMap } from "./properties";

export interface ResourceRequest {
  urn: string;
  /** The Pulumi type, `kubernetes:core/v1:Namespace`. */
  token: string;
}

export interface CheckRequest extends ResourceRequest {
  olds: PropertyMap;
  news: PropertyMap;
  randomSeed: Uint8Array;
  autonaming?: Autonaming;
}

export interface CheckFailure {
  property: string;
  reason: string;
}

export interface CheckResult {
  inputs: PropertyMap;
  failures: CheckFailure[];
}

export interface DiffRequest extends ResourceRequest {
  id: string;
  olds: PropertyMap;
  oldInputs: PropertyMap;
  news: PropertyMap;
  ignoreChanges: readonly string[];
}

export interface DiffResult {
  changes: readonly (Change & { replace: boolean })[];
  deleteBeforeReplace: boolean;
}

export interface CreateRequest extends ResourceRequest {
  inputs: PropertyMap;
  /** customTimeouts in seconds; 0 when not set. */
  timeout: number;
  preview: boolean;
}

export interface CreateResult {
  id: string;
  outputs: PropertyMap;
}

export interface UpdateRequest extends ResourceRequest {
  id: string;
  olds: PropertyMap;
  oldInputs: PropertyMap;
  news: PropertyMap;
  timeout: number;
  preview: boolean;
  ignoreChanges: readonly string[];
}

export interface ReadRequest extends ResourceRequest {
  id: string;
  outputs: PropertyMap;
  inputs: PropertyMap;
}

export interface ReadResult {
  /** Empty when the object is gone. */
  id: string;
  outputs: PropertyMap;
  inputs: PropertyMap;
}

export interface DeleteRequest extends ResourceRequest {
  id: string;
  outputs: PropertyMap;
  oldInputs: PropertyMap;
  timeout: number;
}

/** The object exists but did not come up: the engine keeps its state and reports the reasons. */
export class PartialFailure extends Error {
  constructor(
    readonly id: string,
    readonly outputs: PropertyMap,
    readonly inputs: PropertyMap | undefined,
    readonly reasons: string[],
  ) {
    super(reasons[0] ?? "the resource did not come up");
  }
}

export type Severity = "debug" | "info" | "warning" | "error";

/** The engine's log. A message with `ephemeral` only shows in the status column while the operation runs. */
export interface EngineLog {
  log(severity: Severity, message: string, urn: string, ephemeral?: boolean): void;
}
