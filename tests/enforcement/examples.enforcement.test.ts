/** The examples, deployed by a real Pulumi engine onto a cluster where Cilium enforces, then proved by packets. */
import { orderSuite } from "./order";
import { chosenExamples, examplesSuite } from "./whole-way";

describe("enforcement: the examples on a real Cilium", () => {
  const { lab: opened, wholeWay } = examplesSuite("cilium");

  for (const name of chosenExamples) {
    it(`S0-10, S0-13, S0-14, S2-17, S2-18, S4-14, S4-18: ${name}: the whole way, probed all the while`, async function () {
      this.timeout(900_000);
      await wholeWay(name);
    });
  }

  orderSuite(opened);
});
