/**
 * What Pulumi's plugin host runs for programs in other languages: `main` of package.json. Imports take `exports` instead.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { provider } from "@pulumi/pulumi";
import { componentsAmong, PackageProvider } from "./sdk/components/package-provider";
import * as exported from "./sdk/index";

// this file runs compiled, in `bin`
const packageFolder = path.resolve(__dirname, "..");
const schema = readFileSync(path.join(packageFolder, "schema.json"), "utf8");
const { version } = JSON.parse(readFileSync(path.join(packageFolder, "package.json"), "utf8")) as { version: string };

void provider.main(new PackageProvider(version, schema, componentsAmong(exported)), process.argv.slice(2));
