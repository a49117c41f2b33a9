/** The cost of enforcement is measured, with real packets; `npm run bench:enforcement` measures longer and judges. */
import assert from "node:assert/strict";
import { budget, measureCosts, measureMemory, measurePropagation } from "../bench/enforcement-costs";
import { closingPolicy, measuredFlow, pulsedFlow, putUpMeasured, variants } from "../bench/enforcement-world";
import type { SharedDatapath } from "./shared-datapath";
import { sharedDatapath } from "./shared-datapath";

const micros = (value: number): string => `${value.toFixed(0)} µs`;

describe("enforcement: what it costs", () => {
  let on: SharedDatapath;

  before(async function () {
    this.timeout(300_000);
    on = await sharedDatapath();
    await putUpMeasured(on.cluster);
  });

  after(async function () {
    this.timeout(120_000);
    await on.cluster.removeNamespaces(["app", "pulse", "ingress-nginx", "monitoring"]);
  });

  it("S4-15: a thousand policies on one pod take no more than 2 MiB of memory each", async function () {
    this.timeout(300_000);
    const [, , many] = variants(1000);
    const { process, maps } = await measureMemory(on.cluster, many.policies);
    console.log(
      `      ${many.policies.length} policies: ${(process / 1024).toFixed(1)} KiB of the agent for each, ${maps.toFixed(0)} bytes of tables`,
    );
    assert.ok(process > 0 && maps > 0, "policies take room");
    assert.ok(process + maps <= budget.memoryPerPolicy, `${process + maps} bytes`);
  });

  it("S1-26, S4-15: connections and throughput of a declared flow, without policies, with an example's and with 300 more", async function () {
    this.timeout(300_000);
    const wishes = { rounds: 2, connections: 300, streamMillis: 500 };
    const costs = await measureCosts(on.cluster, measuredFlow, variants(300), wishes);
    for (const { name, p50, p99, throughput } of costs) {
      console.log(
        `      ${name}: ${micros(p50)} a connection (p99 ${micros(p99)}), ${(throughput / 1e9).toFixed(2)} GB/s`,
      );
    }
    assert.deepEqual(
      costs.map(({ policies, connections }) => [policies > 0, connections]),
      [
        [false, 600],
        [true, 600],
        [true, 600],
      ],
      "every connection came about",
    );
    for (const { p50, p99, throughput } of costs) assert.ok(p50 > 0 && p99 >= p50 && throughput > 0);
  });

  it("S1-26: what is measured is enforcement: the same measurement of an undeclared flow does not come about", async () => {
    const [, example] = variants(1);
    const undeclared = { ...measuredFlow, from: "app/worker" };
    const wishes = { rounds: 1, connections: 10, streamMillis: 100 };
    await assert.rejects(measureCosts(on.cluster, undeclared, [example], wishes), /connection 1: /);
  });

  it("S0-15: the first packet that a changed policy affects comes within seconds of the change, both ways", async function () {
    this.timeout(120_000);
    const { closing, opening } = await measurePropagation(on.cluster, pulsedFlow, closingPolicy, 3);
    const told = (times: readonly number[]): string => times.map((each) => `${each.toFixed(0)} ms`).join(", ");
    console.log(`      closing ${told(closing)}; opening ${told(opening)}`);
    assert.deepEqual([closing.length, opening.length], [3, 3]);
    for (const each of [...closing, ...opening]) assert.ok(each > -2, "not before it was asked for");
  });
});
