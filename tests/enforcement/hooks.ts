import { closeSharedDatapath } from "./shared-datapath";

/** Mocha's root hooks: the datapath that the suites share ends with the run. */
export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(120_000);
    await closeSharedDatapath();
  },
};
