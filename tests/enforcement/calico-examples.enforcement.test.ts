/** The examples in the APIs that Calico reads, deployed by a real Pulumi engine onto a cluster where Felix enforces. */
import { dialectsOf } from "../../lab/whole-way/index";
import { orderSuite } from "./order";
import { chosenExamples, examplesSuite } from "./whole-way";

describe("enforcement: the examples on a real Calico", () => {
  const { lab, wholeWay } = examplesSuite("calico");

  for (const name of chosenExamples) {
    for (const dialect of dialectsOf.calico) {
      it(`S0-10, S0-14, S4-14, S4-18: ${name} in ${dialect}: the whole way, probed all the while`, async function () {
        this.timeout(900_000);
        await wholeWay(name, dialect);
      });
    }
  }

  orderSuite(lab);
});
