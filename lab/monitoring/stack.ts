/** A Prometheus and an Alertmanager that run where what they scrape can be reached, such as in the network outside of the cluster. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { dump } from "js-yaml";
import { dyingWithParent, run } from "../toolchain/run";
import { freePort } from "./ports";
import type { MonitoringPrograms } from "./programs";

/** What is scraped, judged and sent. */
export interface StackOptions {
  readonly programs: MonitoringPrograms;
  /** The network namespace that they run in: its name, and `nsenter` of util-linux. Default: the one of this process. */
  readonly inside?: { readonly namespace: string; readonly nsenter: string };
  /** A folder of its own. */
  readonly folder: string;
  /** `address:port` of what is scraped, by the name of the job. */
  readonly targets: Readonly<Record<string, readonly string[]>>;
  readonly rules: unknown;
  /** Alertmanager's configuration; each receiver is given a webhook. */
  readonly alertmanager: { readonly receivers: readonly { readonly name: string }[] };
  /** Seconds between two scrapes. */
  readonly interval: number;
}

/** One alert as it reached a receiver. */
export interface ReceivedAlert {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly receiver: string;
  readonly status: "firing" | "resolved";
  readonly labels: Readonly<Record<string, string>>;
}

/** Ports in a network namespace of its own; elsewhere any that are free. */
const ownPorts: Ports = { prometheus: 19_090, alertmanager: 19_093, webhook: 19_094 };

type Ports = Readonly<Record<"prometheus" | "alertmanager" | "webhook", number>>;

/** Writes down what is posted to it, one line for each alert. */
const webhook = `
const fs = require("node:fs");
require("node:http").createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => { body += piece; });
  request.on("end", () => {
    for (const alert of JSON.parse(body).alerts) {
      const line = { at: Date.now(), receiver: decodeURIComponent(request.url.slice(1)), status: alert.status, labels: alert.labels };
      fs.appendFileSync(process.argv[1], JSON.stringify(line) + "\\n");
    }
    response.end();
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
`;

/** Asks, and prints what is answered. */
const ask = `
const [url, body] = process.argv.slice(1);
const post = body ? { method: "POST", headers: { "content-type": "application/json" }, body } : {};
fetch(url, post).then(async (answer) => { process.exitCode = answer.ok ? 0 : 1; process.stdout.write(await answer.text()); },
  (error) => { process.exitCode = 2; process.stderr.write(String(error.cause ?? error)); });
`;

/** A running Prometheus with Alertmanager and a receiver for everything. */
export class MonitoringStack {
  private readonly children: ChildProcess[] = [];
  private ports = ownPorts;

  constructor(private readonly options: StackOptions) {}

  /** Starts everything, and resolves once Prometheus and Alertmanager answer. */
  async start(): Promise<void> {
    const { programs, folder, targets, rules, alertmanager, interval } = this.options;
    mkdirSync(folder, { recursive: true });
    if (this.options.inside === undefined) {
      this.ports = { prometheus: await freePort(), alertmanager: await freePort(), webhook: await freePort() };
    }
    const ports = this.ports;
    const file = (name: string, content: unknown): string => {
      const place = path.join(folder, name);
      writeFileSync(place, dump(content, { noRefs: true, lineWidth: -1 }));
      return place;
    };
    writeFileSync(this.received_, "");
    const configuration = file("prometheus.yml", {
      global: { scrape_interval: `${interval}s`, evaluation_interval: `${interval}s` },
      rule_files: [file("rules.yaml", rules)],
      alerting: { alertmanagers: [{ static_configs: [{ targets: [`127.0.0.1:${ports.alertmanager}`] }] }] },
      scrape_configs: Object.entries(targets).map(([job_name, own]) => ({
        job_name,
        static_configs: [{ targets: own }],
      })),
    });
    const routes = file("alertmanager.yml", {
      ...alertmanager,
      receivers: alertmanager.receivers.map(({ name }) => ({
        name,
        webhook_configs: [
          { url: `http://127.0.0.1:${ports.webhook}/${encodeURIComponent(name)}`, send_resolved: true },
        ],
      })),
    });
    this.spawn("webhook", process.execPath, ["-e", webhook, this.received_, String(ports.webhook)]);
    // its templates are compiled in as a path of /usr/share: an overlay that only this process sees
    const share = path.resolve(programs.templates, "../..");
    this.spawn("alertmanager", "unshare", [
      "--mount",
      "sh",
      "-c",
      'mount -t overlay -o "lowerdir=$0:/usr/share" overlay /usr/share && exec "$@"',
      share,
      programs.alertmanager,
      `--config.file=${routes}`,
      `--storage.path=${path.join(folder, "alertmanager")}`,
      `--web.listen-address=127.0.0.1:${ports.alertmanager}`,
      "--cluster.listen-address=",
    ]);
    this.spawn("prometheus", programs.prometheus, [
      `--config.file=${configuration}`,
      `--storage.tsdb.path=${path.join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${ports.prometheus}`,
    ]);
    await this.until(() => this.get(this.ports.prometheus, "/-/ready"));
    await this.until(() => this.get(this.ports.alertmanager, "/-/ready"));
  }

  /** Series that an expression returns now: labels and value. */
  async query(
    expr: string,
  ): Promise<readonly { readonly metric: Readonly<Record<string, string>>; readonly value: number }[]> {
    const text = await this.get(this.ports.prometheus, `/api/v1/query?query=${encodeURIComponent(expr)}`);
    const { data } = JSON.parse(text) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
  }

  /** Every series that was scraped within the last minutes, by its labels. */
  async series(): Promise<readonly Readonly<Record<string, string>>[]> {
    const text = await this.get(
      this.ports.prometheus,
      `/api/v1/series?match[]=${encodeURIComponent('{__name__!=""}')}`,
    );
    return (JSON.parse(text) as { data: Record<string, string>[] }).data;
  }

  /** Hands alerts to Alertmanager, as Prometheus does. */
  async post(alerts: readonly { readonly labels: Readonly<Record<string, string>> }[]): Promise<void> {
    await this.request([`http://127.0.0.1:${this.ports.alertmanager}/api/v2/alerts`, JSON.stringify(alerts)]);
  }

  /** What reached the receivers so far. */
  received(): readonly ReceivedAlert[] {
    const lines = readFileSync(this.received_, "utf8").split("\n").filter(Boolean);
    return lines.map((line) => JSON.parse(line) as ReceivedAlert);
  }

  /** Stops everything. */
  stop(): void {
    for (const child of this.children) child.kill("SIGKILL");
  }

  private get received_(): string {
    return path.join(this.options.folder, "received.jsonl");
  }

  private get(port: number, place: string): Promise<string> {
    return this.request([`http://127.0.0.1:${port}${place}`]);
  }

  private async request(args: readonly string[]): Promise<string> {
    const [program, own] = this.inside(process.execPath, ["-e", ask, ...args]);
    const { code, stdout, stderr } = await run(program, own, { outputLimit: 64 * 1024 * 1024 });
    if (code !== 0) throw new Error(`${args[0] ?? ""}: ${stderr || stdout}`);
    return stdout;
  }

  private spawn(name: string, program: string, args: readonly string[]): void {
    const [command, all] = dyingWithParent(...this.inside(program, args));
    const child = spawn(command, all, { stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-4000);
      writeFileSync(path.join(this.options.folder, `${name}.stderr`), said);
    });
    this.children.push(child);
  }

  /** The command that runs a program in the network namespace. */
  private inside(program: string, args: readonly string[]): [program: string, args: string[]] {
    const { inside } = this.options;
    if (inside === undefined) return [program, [...args]];
    return [inside.nsenter, [`--net=/run/netns/${inside.namespace}`, "--", program, ...args]];
  }

  private async until(attempt: () => Promise<unknown>): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      try {
        await attempt();
        return;
      } catch (error) {
        if (tries > 60) throw error;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  }
}
