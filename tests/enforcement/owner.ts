/** A process that starts a datapath, says so, and keeps it until it is killed. */
import path from "node:path";
import { startControlPlane } from "../../lab/control-plane/index";
import { provideDatapathPrograms, startDatapath } from "../../lab/datapath/index";
import { provideTools } from "../../lab/toolchain/index";

async function main(folder: string): Promise<void> {
  const programs = await provideDatapathPrograms();
  const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
  const controlPlane = await startControlPlane({ dataDir: path.join(folder, "control-plane"), tools });
  await startDatapath({ dataDir: path.join(folder, "datapath"), controlPlane, programs });
  console.log("ready");
  setInterval(() => undefined, 60_000);
}

main(process.argv[2] ?? "").catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
