/** A headless Chromium, spoken to over a pipe in the DevTools protocol: no port, no driver, no library. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Readable, Writable } from "node:stream";

/** Where the browser is; undefined where there is none. */
export function chromium(): string | undefined {
  const named = process.env["CHROMIUM"];
  return [...(named === undefined ? [] : [named]), "/usr/bin/chromium", "/usr/bin/chromium-browser"].find((file) =>
    existsSync(file),
  );
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
  readonly sessionId?: string;
}

/** One page of the browser. */
export class Page {
  /** Addresses that the page asked for, its own first. */
  readonly requests: string[] = [];
  /** What the page's policy refused, and errors of its script. */
  readonly complaints: string[] = [];
  #next = 0;
  readonly #waiting = new Map<number, (message: Message) => void>();
  readonly #events: ((message: Message) => void)[] = [];
  #session: string | undefined;

  private constructor(
    private readonly browser: ChildProcess,
    private readonly profile: string,
    private readonly input: Writable,
    output: Readable,
  ) {
    let pending = "";
    output.setEncoding("utf8").on("data", (text: string) => {
      const parts = (pending + text).split("\0");
      pending = parts.pop() ?? "";
      for (const part of parts) this.#take(JSON.parse(part) as Message);
    });
  }

  static async start(program: string): Promise<Page> {
    const profile = mkdtempSync(path.join(tmpdir(), "cluster-security-browser-"));
    const flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars"];
    const browser = spawn(program, [...flags, `--user-data-dir=${profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    });
    const page = new Page(browser, profile, browser.stdio[3] as Writable, browser.stdio[4] as Readable);
    const { targetId } = await page.call<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.call<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
    page.#session = sessionId;
    for (const domain of ["Page", "Network", "Log", "Runtime"]) await page.call(`${domain}.enable`);
    return page;
  }

  #take(message: Message): void {
    if (message.id !== undefined) {
      this.#waiting.get(message.id)?.(message);
      this.#waiting.delete(message.id);
      return;
    }
    const { method, params } = message;
    if (method === "Network.requestWillBeSent") {
      this.requests.push((params as { request: { url: string } }).request.url);
    }
    if (method === "Log.entryAdded") this.complaints.push((params as { entry: { text: string } }).entry.text);
    if (method === "Runtime.exceptionThrown") this.complaints.push(JSON.stringify(params));
    for (const listener of this.#events) listener(message);
  }

  /** A command of the protocol. */
  call<T = unknown>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#next;
    const session = this.#session;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result as T) : reject(new Error(`${method}: ${error.message}`)),
      );
      this.input.write(
        `${JSON.stringify({ id, method, params, ...(session === undefined ? {} : { sessionId: session }) })}\0`,
      );
    });
  }

  /** Opens a file and waits until it is loaded. */
  async open(file: string, { width = 1280, height = 900 } = {}): Promise<void> {
    await this.call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: false });
    this.requests.length = 0;
    this.complaints.length = 0;
    const loaded = new Promise<void>((resolve) => {
      this.#events.push(({ method }) => {
        if (method === "Page.loadEventFired") resolve();
      });
    });
    await this.call("Page.navigate", { url: `file://${file}` });
    await loaded;
    this.#events.length = 0;
  }

  /** The colours that its user prefers. */
  async prefer(scheme: "light" | "dark"): Promise<void> {
    await this.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
  }

  /** What an expression comes to, in the page's own world. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.call<{
      result: { value: T };
      exceptionDetails?: { exception?: { description?: string } };
    }>("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? "it throws");
    return result.value;
  }

  /** Presses and releases a key. */
  async press(key: string, code = key): Promise<void> {
    const codes: Readonly<Record<string, number>> = {
      Tab: 9,
      Enter: 13,
      ArrowLeft: 37,
      ArrowUp: 38,
      ArrowRight: 39,
      ArrowDown: 40,
    };
    const common = { key, code, windowsVirtualKeyCode: codes[key] ?? 0, ...(key === "Enter" ? { text: "\r" } : {}) };
    await this.call("Input.dispatchKeyEvent", { type: key === "Enter" ? "keyDown" : "rawKeyDown", ...common });
    await this.call("Input.dispatchKeyEvent", { type: "keyUp", ...common });
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.call<{ data: string }>("Page.captureScreenshot", { format: "png" });
    return Buffer.from(data, "base64");
  }

  async pdf(): Promise<Buffer> {
    const { data } = await this.call<{ data: string }>("Page.printToPDF", { printBackground: true });
    return Buffer.from(data, "base64");
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.browser.once("exit", resolve));
    this.#session = undefined;
    await this.call("Browser.close").catch(() => this.browser.kill());
    await ended;
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
