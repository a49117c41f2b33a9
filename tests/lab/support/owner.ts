/**
 * A process that starts a control plane, so that a test can kill it: `tsx owner.ts DATA-FOLDER [detach]`. Prints one
 * line "ready" once the API server is, then stays.
 */
import { startControlPlane } from "../../../lab/control-plane/index";
import { provideTools } from "../../../lab/toolchain/index";

async function main(): Promise<void> {
  const [dataDir = "", mode] = process.argv.slice(2);
  const tools = await provideTools(["etcd", "kube-apiserver", "kube-controller-manager"]);
  const controlPlane = await startControlPlane({ dataDir, tools });
  if (mode === "detach") await controlPlane.detach();
  console.log("ready");
  setInterval(() => undefined, 1000);
}

void main();
