/**
 * Keeps the keys under which the stacks of the suites keep their secrets, and answers the engine as the transit engine of
 * HashiCorp's Vault does. The engine derives a key from a passphrase at every operation, which takes it half of the CPU time
 * that a small update takes; a key that is kept is asked for.
 */
import { createCipheriv, createDecipheriv, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, Server } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface SecretsKeeper {
  /** As a stack names it. */
  readonly provider: string;
  /** Environment of an engine that is to find it. */
  readonly env: Readonly<Record<string, string>>;
}

let kept: Promise<SecretsKeeper> | undefined;

/** The keeper of this process. It ends with it, so the engine has to be asked without blocking this process. */
export function secretsKeeper(): Promise<SecretsKeeper> {
  return (kept ??= startKeeper());
}

const prefix = "vault:v1:";

async function startKeeper(): Promise<SecretsKeeper> {
  const token = randomBytes(24).toString("hex");
  const key = randomBytes(32);
  const server = createServer((request, response) => {
    void answer(request, token, key).then(({ status, body }) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  });
  const { port } = await listening(server);
  return {
    provider: "hashivault://stacks-of-the-suites",
    env: { VAULT_SERVER_URL: `http://127.0.0.1:${port}`, VAULT_SERVER_TOKEN: token },
  };
}

function listening(server: Server): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(server.address() as AddressInfo));
    server.unref();
  });
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

async function answer(request: IncomingMessage, token: string, key: Buffer): Promise<Answer> {
  try {
    if (!isSame(request.headers["x-vault-token"], token))
      return { status: 403, body: { errors: ["permission denied"] } };
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { plaintext, ciphertext } = JSON.parse(Buffer.concat(chunks).toString()) as Record<
      string,
      string | undefined
    >;
    const { pathname } = new URL(request.url ?? "", "http://keeper");
    if (pathname.startsWith("/v1/transit/encrypt/") && plaintext !== undefined) {
      return { status: 200, body: { data: { ciphertext: seal(Buffer.from(plaintext, "base64"), key) } } };
    }
    if (pathname.startsWith("/v1/transit/decrypt/") && ciphertext !== undefined) {
      return { status: 200, body: { data: { plaintext: unseal(ciphertext, key).toString("base64") } } };
    }
    return { status: 404, body: { errors: [] } };
  } catch (error) {
    return { status: 400, body: { errors: [String(error)] } };
  }
}

function isSame(given: string | readonly string[] | undefined, token: string): boolean {
  const [one, other] = [Buffer.from(String(given)), Buffer.from(token)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function seal(plain: Buffer, key: Buffer): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final()]);
  return prefix + Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString("base64");
}

function unseal(text: string, key: Buffer): Buffer {
  const bytes = Buffer.from(text.slice(prefix.length), "base64");
  const cipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, 12));
  cipher.setAuthTag(bytes.subarray(12, 28));
  return Buffer.concat([cipher.update(bytes.subarray(28)), cipher.final()]);
}
