/** A cluster cannot be read. The message is one sentence that says what to do, and holds no credential. */
export class ClusterError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ClusterError";
  }
}
