/** Whether a version such as `1.18.5` or `v1.20` is at least `major.minor`. A text that is no version counts as older. */
export function versionAtLeast(version: string, major: number, minor: number): boolean {
  const match = /^v?(\d+)\.(\d+)(\.|$|-)/.exec(version);
  if (match === null) return false;
  const found = [Number(match[1]), Number(match[2])] as const;
  return found[0] > major || (found[0] === major && found[1] >= minor);
}
