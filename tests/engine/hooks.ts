import { closeSharedLab } from "./shared-lab";

/** Mocha's root hooks: the lab that the suites share ends with the run. */
export const mochaHooks = {
  async afterAll(): Promise<void> {
    await closeSharedLab();
  },
};
