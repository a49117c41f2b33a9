import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A new folder that is removed after the suite in which this is called. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "cluster-security-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes an executable shell script. */
export function writeProgram(folder: string, name: string, script: string): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** The smallest program that the toolchain accepts: it tells a version. */
export function programOfVersion(folder: string, name: string, version: string): string {
  return writeProgram(folder, name, `echo "${version}"`);
}

/**
 * A `go` that answers what the toolchain asks, writes each call into `calls`, and "builds" a program that tells its
 * version; `before` runs before the result is written.
 */
export function fakeGo(folder: string, calls: string, before = ""): string {
  return writeProgram(
    folder,
    "go",
    [
      `echo "$*" >> '${calls}'`,
      'if [ "$1" = env ]; then echo go1.26.0; exit 0; fi',
      'while [ $# -gt 0 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done',
      before,
      `printf '#!/bin/sh\\necho built v1.2.3\\n' > "$out"`,
      '/bin/chmod 755 "$out"',
    ].join("\n"),
  );
}
