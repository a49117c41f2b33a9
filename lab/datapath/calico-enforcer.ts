/**
 * Felix's own word that policies are enforced. It tells nobody which revision it enforces; its counters say how many changes
 * it has taken note of and how often it has programmed the kernel.
 */
import type { Enforcer, PolicyChange } from "./enforcer";
import { DatapathError } from "./errors";
import type { FelixApi, FelixCounters } from "./felix";
import { KubeProxyApi } from "./kube-proxy";
import type { LabObject } from "./objects";

/** Milliseconds that Felix has to take note of a change, and to be done with it. They only end a wait for one that hangs. */
const notedWithin = 90_000;
const doneWithin = 90_000;

/** Milliseconds in which nothing moves: after Felix has programmed what it was told last, and where it was told nothing. */
const quietAfterWork = 500;
const quiet = 1000;

/** Milliseconds between two looks. */
const pause = 25;

export class CalicoEnforcer implements Enforcer {
  private readonly proxies: readonly KubeProxyApi[];

  constructor(private readonly agents: readonly FelixApi[]) {
    this.proxies = agents.map(({ node }) => new KubeProxyApi(node));
  }

  async change(): Promise<PolicyChange> {
    const before = await Promise.all(this.agents.map((agent) => agent.counters()));
    return {
      settled: async (made) => {
        const wanted = made.filter(isCounted).length;
        await Promise.all(
          this.agents.map((agent, index) => untilDone(agent, (before[index]?.noted ?? 0) + wanted, before[index])),
        );
        await this.untilTranslated();
        return undefined;
      },
    };
  }

  async settled(): Promise<void> {
    await Promise.all(this.agents.map((agent) => untilDone(agent)));
    await this.untilTranslated();
  }

  /** Resolves once Services lead where they must. */
  private async untilTranslated(): Promise<void> {
    for (const [index, proxy] of this.proxies.entries()) {
      for (const begun = Date.now(); !(await proxy.isDone());) {
        if (Date.now() - begun > doneWithin) {
          throw new DatapathError("failed", `kube-proxy on ${this.agents[index]?.node.name} is still at work`);
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
  }

  async check(): Promise<void> {
    for (const agent of this.agents) await agent.check();
  }
}

/** Whether Felix counts a change of such an object, whatever follows from it. */
function isCounted({ apiVersion }: LabObject): boolean {
  const group = apiVersion.split("/")[0] ?? "";
  return ["projectcalico.org", "networking.k8s.io", "policy.networking.k8s.io"].includes(group);
}

/**
 * Waits until Felix has taken note of so many changes in all, and has programmed what follows from them.
 * @throws DatapathError "not-enforced", "failed" where it has ended
 */
async function untilDone(agent: FelixApi, noted = 0, before?: FelixCounters): Promise<void> {
  const begun = Date.now();
  let last = before ?? (await agent.counters());
  const failures = last.failures;
  let moved = Date.now();
  // how often it had programmed the kernel when it was told something for the last time
  let appliedAtMessage = before === undefined ? Infinity : last.applied;
  for (;;) {
    const now = await agent.counters();
    if (now.messages !== last.messages) appliedAtMessage = last.applied;
    if (now.text !== last.text) moved = Date.now();
    last = now;
    const needed = now.applied > appliedAtMessage ? quietAfterWork : quiet;
    const waited = Date.now() - begun;
    if (now.noted >= noted && Date.now() - moved >= needed) {
      if (now.failures === failures) return;
      throw notEnforced(agent, "cannot program the kernel");
    }
    if (now.noted < noted && waited > notedWithin) throw notEnforced(agent, "does not take note of a change");
    if (waited > doneWithin) throw notEnforced(agent, "is still at work");
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function notEnforced({ node }: FelixApi, what: string): DatapathError {
  return new DatapathError("not-enforced", `Felix on ${node.name} ${what}`);
}
