import { labTools } from "../../lab/index";
import { provideTools } from "../../lab/toolchain/index";
import { closeSharedLab } from "./shared-lab";

/** Mocha's root hooks: nothing is built in the time of a test, and the lab that the suites share ends with the run. */
export const mochaHooks = {
  async beforeAll(this: Mocha.Context): Promise<void> {
    this.timeout(0);
    await provideTools(labTools);
  },
  async afterAll(): Promise<void> {
    await closeSharedLab();
  },
};
