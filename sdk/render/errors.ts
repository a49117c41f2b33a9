/** Something cannot be rendered; the message states what, and what to do. */
export class RenderError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RenderError";
  }
}
