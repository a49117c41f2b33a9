/** What of this machine a datapath must leave as it is. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import path from "node:path";

/** Links, addresses, routes and rules of the machine's own network, its mounts, and its kernel settings. */
export function machineState(): Record<string, unknown> {
  return {
    links: links(),
    addresses: ip("-json", "address").replaceAll(/"(valid|preferred)_life_time":\d+/g, ""),
    routes: ip("-json", "route", "show", "table", "all"),
    rules: ip("-json", "rule"),
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ").slice(4).join(" "))
      .filter((line) => line !== "" && !line.startsWith("/run/netns")),
    kernel: settings(
      "/proc/sys/kernel",
      /^(ns_last_pid|random|pty|perf_.*|sched_.*|dmesg.*|hotplug|.*lockup.*|.*_count)$/,
    ),
    network: settings("/proc/sys/net", /^(nf_conntrack_count|max_dgram_qlen)$/),
    runCilium: existsSync("/run/cilium") ? readdirSync("/run/cilium") : [],
  };
}

function links(): unknown {
  return (JSON.parse(ip("-json", "link")) as { ifname: string; operstate: string }[]).map(({ ifname, operstate }) => [
    ifname,
    operstate,
  ]);
}

function ip(...args: string[]): string {
  const result = spawnSync("ip", args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`ip ${args.join(" ")}: ${result.stderr}`);
  return result.stdout;
}

/** Values of all settings below a folder but those that change by themselves. */
function settings(folder: string, restless: RegExp): Record<string, string> {
  const found: Record<string, string> = {};
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (restless.test(entry.name)) continue;
    if (entry.isDirectory()) Object.assign(found, settings(file, restless));
    else {
      try {
        found[file] = readFileSync(file, "utf8").trim();
      } catch {
        // some are write-only
      }
    }
  }
  return found;
}
