/** The part of proper-lockfile 4 that the toolchain uses (the package ships no types). */
declare module "proper-lockfile" {
  interface LockOptions {
    /** Milliseconds after which an untouched lock counts as left behind. */
    stale?: number;
    /** Milliseconds between two touches of a held lock. */
    update?: number;
    /** Resolve symbolic links first; the locked file must then exist. */
    realpath?: boolean;
    lockfilePath?: string;
    onCompromised?: (error: Error) => void;
  }
  export function lock(file: string, options?: LockOptions): Promise<() => Promise<void>>;
}
