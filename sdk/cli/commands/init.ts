import { existsSync } from "node:fs";
import * as path from "node:path";
import { inputError, usageError } from "../errors";
import { exitCodes, type ExitCode } from "../exit-codes";
import { changeTogether } from "../files-together";
import type { NewProject } from "../scaffold/project";
import { projectFiles } from "../scaffold/project";
import { outputOf } from "./options";

export interface InitOptions {
  readonly name?: string;
  readonly dialect: NewProject["dialect"];
  readonly install: boolean;
  readonly output?: string;
}

/** `cluster-security init`: a Pulumi project with a declaration of its own. */
export async function init(folder: string, version: string, options: InitOptions): Promise<ExitCode> {
  const name = options.name ?? path.basename(path.resolve(folder)).toLowerCase();
  if (!/^[a-z0-9][a-z0-9._-]{0,99}$/.test(name)) {
    throw usageError(`"${name}" is no name of a project. Write lower-case letters, digits and dashes, with --name.`);
  }
  if (options.install && options.dialect === "kubernetes") {
    throw usageError("--install needs a CNI to install: name it with --dialect cilium or --dialect calico.");
  }
  const files = projectFiles({ name, dialect: options.dialect, installs: options.install, version });
  const there = files.filter(({ file }) => existsSync(path.join(folder, file)));
  if (there.length > 0) {
    throw inputError(`"${folder}" has ${there.map(({ file }) => file).join(", ")} already: nothing was written`);
  }
  await changeTogether(
    files.map(({ file, text }) => ({ file: path.join(folder, file), text })),
    { followLinks: true },
  );
  const output = outputOf(options);
  output.write(
    `${[
      `written   ${files.map(({ file }) => path.join(folder, file)).join(", ")}`,
      `next      cd ${folder} && npm install && pulumi stack init dev && pulumi preview`,
      "          cluster-security add service demo/orders -d security.yaml --port 8080 --from demo/backend --reason … --owner …",
    ].join("\n")}\n`,
  );
  await output.end();
  return exitCodes.ok;
}
