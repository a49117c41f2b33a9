import { auditCronJob } from "../../cluster/audit-cronjob";
import { usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { mayBeName, printObjects, type ObjectFormat } from "../print/objects";
import { outputOf } from "./options";

export interface CronJobCommandOptions {
  readonly name: string;
  readonly inNamespace: string;
  readonly image: string;
  readonly baselineConfigMap: string;
  readonly schedule: string;
  readonly failOn: string;
  readonly format: ObjectFormat;
  readonly output?: string;
}

/** `cluster-security audit cronjob`: an audit that a cluster makes of itself. Reads nothing. */
export async function cronjob(options: CronJobCommandOptions): Promise<ExitCode> {
  const { name, inNamespace, image, baselineConfigMap, schedule, failOn, format } = options;
  // names of service accounts and CronJobs; of the latter 52 characters are left for those of its Jobs
  checkName("--name", name, 52);
  checkName("--in-namespace", inNamespace, 63);
  checkName("--baseline-config-map", baselineConfigMap, 253);
  if (!/^(@[a-z]+|\S+(\s+\S+){4})$/.test(schedule.trim())) {
    throw usageError(`--schedule: "${schedule}" is no schedule: five fields, as in "17 * * * *"`);
  }
  const objects = auditCronJob({ name, namespace: inNamespace, image, baselineConfigMap, schedule, failOn });
  const output = outputOf(options);
  output.write(printObjects(objects, format));
  await output.end();
  return exitCodes.ok;
}

function checkName(option: string, name: string, longest: number): void {
  if (mayBeName(name) && name.length <= longest) return;
  throw usageError(`${option}: "${name}" is no name of an object, or too long (${longest} characters at most)`);
}
