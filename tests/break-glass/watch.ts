/** The alerts of a declaration on a real kube-state-metrics, Prometheus and Alertmanager, beside a control plane. */
import assert from "node:assert/strict";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ControlPlane } from "../../lab/control-plane/index";
import { monitoringPrograms } from "../../lab/monitoring/programs";
import { MonitoringStack } from "../../lab/monitoring/stack";
import type { StateMetrics } from "../../lab/monitoring/state-metrics";
import { startStateMetrics, stateMetricsProgram } from "../../lab/monitoring/state-metrics";
import { planMonitoring } from "../../sdk/monitoring/index";
import type { ClusterSecurityDeclaration } from "../../sdk/plan/index";
import { plan } from "../../sdk/plan/index";

/** What is scraped and judged every so many seconds. */
const interval = 5;

/** Alerts, as Prometheus judges them now. */
export class Watch {
  private constructor(
    private readonly stateMetrics: StateMetrics,
    readonly stack: MonitoringStack,
  ) {}

  /** Starts everything; undefined where one of the programs is not to be had here. */
  static async over(
    controlPlane: ControlPlane,
    declaration: ClusterSecurityDeclaration,
    folder: string,
  ): Promise<Watch | undefined> {
    const [programs, program] = [await monitoringPrograms(), await stateMetricsProgram()];
    // Alertmanager's templates are laid over a folder of the system
    if (programs === undefined || program === undefined || process.getuid?.() !== 0) return undefined;
    const stateMetrics = await startStateMetrics(program, controlPlane, path.join(folder, "state-metrics.log"));
    const { rules, alertmanager } = planMonitoring(plan(declaration), { scrapeInterval: interval });
    const groups = rules.groups.filter(({ name }) => name === "cluster-security-break-glass");
    assert.equal(groups.length, 1);
    const stack = new MonitoringStack({
      programs,
      folder: path.join(folder, "prometheus"),
      targets: { "kube-state-metrics": [stateMetrics.target] },
      // the rules as they are, judged as often as is scraped
      rules: { groups: groups.map((group) => ({ ...group, interval: `${interval}s` })) },
      alertmanager,
      interval,
    });
    const watch = new Watch(stateMetrics, stack);
    try {
      await stack.start();
      return watch;
    } catch (error) {
      watch.stop();
      throw error;
    }
  }

  /** Timers for which an alert fires. */
  async firing(alert: string): Promise<string[]> {
    const found = await this.stack.query(`ALERTS{alertname="${alert}",alertstate="firing"}`);
    return found.map(({ metric }) => metric["job_name"] ?? "").sort();
  }

  /** Waits until an alert fires for a timer, or no longer does. @returns seconds */
  async until(alert: string, timer: string, fires: boolean, within: number): Promise<number> {
    const begun = Date.now();
    for (;;) {
      const now = await this.firing(alert);
      const seconds = (Date.now() - begun) / 1000;
      if (now.includes(timer) === fires) return seconds;
      assert.ok(seconds < within, `${alert} ${fires ? "does not fire" : "still fires"} for ${timer} after ${within} s`);
      await sleep(1000);
    }
  }

  /** Waits until the receiver of an owner was told of an alert. */
  async untilTold(alert: string, timer: string, status: "firing" | "resolved", within: number): Promise<string> {
    const begun = Date.now();
    for (;;) {
      const found = this.stack
        .received()
        .find(
          ({ labels, status: is }) => labels["alertname"] === alert && labels["job_name"] === timer && is === status,
        );
      if (found !== undefined) return found.receiver;
      assert.ok(Date.now() - begun < within * 1000, `nobody is told that ${alert} is ${status} after ${within} s`);
      await sleep(1000);
    }
  }

  stop(): void {
    this.stack.stop();
    this.stateMetrics.stop();
  }
}
