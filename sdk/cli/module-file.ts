/** Whether a file is a module, which may export a declaration and is no list of manifests. */
export function isModule(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file);
}
