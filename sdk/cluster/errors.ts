/** A cluster cannot be read. The message is one sentence that says what to do, and holds no credential. */
export class ClusterError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ClusterError";
  }
}

/** An answer of the API server that is not 2xx and not worth a retry. */
export class ApiError extends ClusterError {
  constructor(
    readonly status: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }
}
