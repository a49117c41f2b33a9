/**
 * What planning 500 namespaces and 5,000 flows costs, in a process of its own: plans in the dialect that the command line
 * names and prints one line of JSON. CPU time, which other programs on the machine disturb least.
 */
import { Dialect, plan } from "../../sdk/plan";
import { large } from "../plan/large-declaration";

const [, , name = ""] = process.argv;
const dialect = Object.values(Dialect).find((one) => one === name) ?? Dialect.Cilium;

const before = process.cpuUsage();
const { documents, flows } = plan({ ...large, dialect });
const { user, system } = process.cpuUsage(before);
process.stdout.write(
  `${JSON.stringify({
    task: `plan ${dialect}`,
    seconds: (user + system) / 1e6,
    maxRssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    documents: documents.length,
    flows: flows.length,
  })}\n`,
);
