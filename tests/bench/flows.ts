/**
 * What reading a recording costs, in a process of its own: writes a file of full Hubble lines, one in a hundred broken, reads
 * it as `replay` does, and prints one line of JSON. Arguments: the number of lines, the file. CPU time.
 */
import { closeSync, openSync, statSync, writeSync } from "node:fs";
import { readFlowLines } from "../../sdk/cli/sources/flow-lines";
import { RecordingReader } from "../../sdk/flows/index";
import { hubble, tcp } from "../flows/lines";

const [, , mode = "", count = "100000", file = ""] = process.argv;
const lines = Number(count);

/** 1.7 KB each, as an agent exports them: with names, Services and policies. */
function write(): void {
  const descriptor = openSync(file, "w");
  const text = "x".repeat(880);
  let piece: string[] = [];
  for (let index = 0; index < lines; index += 1) {
    const app = `app-${index % 40}`;
    const pod = (name: string): object => ({
      identity: 20_000 + (index % 40),
      namespace: `ns-${index % 8}`,
      labels: [
        `k8s:app=${name}`,
        `k8s:io.kubernetes.pod.namespace=ns-${index % 8}`,
        "k8s:io.cilium.k8s.policy.cluster=lab",
      ],
      pod_name: `${name}-5d4b9c7f6d-bcdfg`,
    });
    const line = hubble({
      reply: index % 2 === 0 ? false : true,
      source: pod(app),
      destination: pod(`app-${(index + 1) % 40}`),
      l4: tcp(8000 + (index % 3), 1024 + (index % 60_000)),
      time: new Date(1_795_860_000_000 + index * 100).toISOString(),
      more: { Summary: "TCP Flags: SYN", is_l7: false, note: text },
    });
    piece.push(index % 100 === 50 ? line.slice(0, 700) : line);
    if (piece.length === 5000 || index === lines - 1) {
      writeSync(descriptor, `${piece.join("\n")}\n`);
      piece = [];
    }
  }
  closeSync(descriptor);
}

async function read(): Promise<void> {
  const reader = new RecordingReader();
  const before = process.cpuUsage();
  await readFlowLines([file], reader, () => undefined);
  const { user, system } = process.cpuUsage(before);
  const { lines: seen, records, passedOver, notUnderstood, classes } = reader.result();
  const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
  process.stdout.write(
    `${JSON.stringify({
      seconds: (user + system) / 1e6,
      maxRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
      megabytes: Math.round(statSync(file).size / 1e6),
      lines: seen,
      records,
      passedOver: sum(passedOver.values()),
      notUnderstood: sum([...notUnderstood.values()].map((each) => each.count)),
      classes: classes.length,
    })}\n`,
  );
}

void (mode === "write" ? Promise.resolve(write()) : read());
