import type { KubernetesProvider } from "./provider";
import type { EngineLog } from "./messages";
import type * as m from "./messages";
export class ReleaseProvider {
  constructor(readonly provider: KubernetesProvider, readonly log: EngineLog) {}
  private no(): never { throw new Error("Helm Releases are not available yet"); }
  async check(_: m.CheckRequest): Promise<m.CheckResult> { return this.no(); }
  async diff(_: m.DiffRequest): Promise<m.DiffResult> { return this.no(); }
  async create(_: m.CreateRequest): Promise<m.CreateResult> { return this.no(); }
  async read(_: m.ReadRequest): Promise<m.ReadResult> { return this.no(); }
  async update(_: m.UpdateRequest): Promise<import("./properties").PropertyMap> { return this.no(); }
  async delete(_: m.DeleteRequest): Promise<void> { return this.no(); }
  async template(_: unknown): Promise<string> { return this.no(); }
}
