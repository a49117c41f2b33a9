/**
 * The program that runs in a probe pod: plain JavaScript for `node -e`, so that any image with Node.js 18 or later will do
 * – no shell, no tools, nothing to be published. What it is to do stands in its environment as JSON (`ProberSettings`); what
 * came of it goes into the termination message, which the kubelet copies into the pod's status (4096 bytes at most): whoever
 * may read pods can read it, and neither `exec` nor logs are needed.
 *
 * It listens first, says so, then probes. A listener echoes only what begins with the prober's own word, so that two of
 * them never keep each other busy.
 */
export const proberScript = `"use strict";
const net = require("node:net");
const dgram = require("node:dgram");
const fs = require("node:fs");
const crypto = require("node:crypto");

const settings = JSON.parse(process.env.CLUSTER_SECURITY_PROBER);
const word = "cluster-security ";
const begun = Date.now();

function end(code, message) {
  try {
    fs.writeFileSync(process.env.CLUSTER_SECURITY_REPORT, message);
  } catch (error) {
    console.error("the report cannot be written: " + error.message);
    process.exit(3);
  }
  process.exit(code);
}

process.on("SIGTERM", () => process.exit(0));
process.on("uncaughtException", (error) => end(3, JSON.stringify({ error: String(error.message) })));
if (settings.deadline > 0) {
  setTimeout(() => {
    if (settings.probes.length === 0) process.exit(0);
    end(3, JSON.stringify({ error: "not done within " + settings.deadline + " s" }));
  }, settings.deadline * 1000).unref();
}

function serveTcp(port, host) {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined);
      socket.setTimeout(30000, () => socket.destroy());
      socket.on("data", (data) => {
        if (String(data).startsWith(word)) socket.write(data);
        else socket.destroy();
      });
    });
    server.on("error", reject);
    server.listen({ port, host }, resolve);
  });
}

function serveUdp(port, type = "udp6") {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(type);
    socket.on("error", (error) => {
      if (type === "udp6" && error.code === "EAFNOSUPPORT") serveUdp(port, "udp4").then(resolve, reject);
      else reject(error);
    });
    socket.on("message", (data, from) => {
      if (String(data).startsWith(word)) socket.send(data, from.port, from.address);
    });
    socket.bind(port, resolve);
  });
}

/** Resolves to [outcome, detail]: connected, blocked, refused or failed by their first letter. */
function classify(error) {
  switch (error.code) {
    case "ECONNREFUSED":
      return ["r", "refused"];
    case "TIMEOUT":
    case "ETIMEDOUT":
      return ["b", "no answer"];
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EACCES":
    case "EPERM":
      return ["b", "unreachable"];
  }
  return ["f", String(error.code || error.message)];
}

function timeout() {
  return Object.assign(new Error("no answer"), { code: "TIMEOUT" });
}

/** Opens a TCP connection; with something to say, waits until enough() takes what came back. */
function overTcp(address, port, say, enough) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: address, port });
    const timer = setTimeout(() => socket.destroy(timeout()), settings.timeout);
    let heard = Buffer.alloc(0);
    socket.on("connect", () => {
      if (say === undefined) done();
      else socket.write(say);
    });
    socket.on("data", (data) => {
      heard = Buffer.concat([heard, data]);
      if (enough && enough(heard)) done();
    });
    socket.on("end", () => reject(new Error("closed without the answer")));
    socket.on("error", reject);
    socket.on("close", () => clearTimeout(timer));
    function done() {
      resolve(heard);
      socket.destroy();
    }
  });
}

/** Says it again every 500 ms: a packet may be lost while a neighbour is looked up. */
function overUdp(address, port, say, enough) {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket(net.isIPv6(address) ? "udp6" : "udp4");
    const timer = setTimeout(() => finish(timeout()), settings.timeout);
    let again;
    socket.on("error", finish);
    socket.on("message", (data) => enough(data) && finish(undefined, data));
    socket.connect(port, address, (error) => {
      if (error) return finish(error);
      const send = () => socket.send(say, (failure) => failure && finish(failure));
      again = setInterval(send, 500);
      send();
    });
    function finish(error, data) {
      clearTimeout(timer);
      clearInterval(again);
      try {
        socket.close();
      } catch {
        // closed already
      }
      if (error) reject(error);
      else resolve(data);
    }
  });
}

/** A question for the A record of a name (RFC 1035, 4.1). */
function question() {
  const id = crypto.randomBytes(2);
  const labels = settings.name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const packet = Buffer.concat([id, Buffer.from([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, 1, 0, 1])]);
  return { id, packet };
}

function answered(reply) {
  const code = reply[3] & 15;
  if (code === 0 || code === 3) return ["c"];
  // the server, or a proxy on the way, refuses the name
  return code === 5 ? ["b", "refused name"] : ["f", "DNS code " + code];
}

async function probeOnce(how, address, port) {
  const token = Buffer.from(word + crypto.randomBytes(12).toString("hex") + "\\n");
  const echoed = (heard) => heard.equals(token);
  switch (how) {
    case "connect":
      await overTcp(address, port);
      return ["c"];
    case "tcp":
      await overTcp(address, port, token, echoed);
      return ["c"];
    case "udp":
      await overUdp(address, port, token, echoed);
      return ["c"];
    case "dns": {
      const { id, packet } = question();
      return answered(await overUdp(address, port, packet, (heard) => heard.length > 3 && heard.subarray(0, 2).equals(id)));
    }
    case "dns-tcp": {
      const { packet } = question();
      const length = Buffer.from([packet.length >> 8, packet.length & 255]);
      const whole = (heard) => heard.length > 5 && heard.length >= 2 + heard.readUInt16BE(0);
      return answered((await overTcp(address, port, Buffer.concat([length, packet]), whole)).subarray(2));
    }
  }
  return ["f", "no such probe: " + how];
}

/** At the prober's own listener, which is there, a refusal comes from an enforcer that rejects: kube-router does so. */
function asWanted(how, wanted, outcome) {
  return outcome === wanted || (wanted === "b" && outcome === "r" && (how === "tcp" || how === "udp"));
}

/**
 * A new pod may not be isolated yet, or not be known yet. What is not as wanted is tried again for a while; and so is a
 * block in the first moments, which may only say that nobody knows the pod's way yet.
 */
async function probe([how, address, port, wanted]) {
  let otherwise = false;
  for (let attempt = 1; ; attempt++) {
    const age = Date.now() - begun;
    const [outcome, detail] = await probeOnce(how, address, port).catch(classify);
    const right = asWanted(how, wanted, outcome);
    const counts = right && (wanted === "c" || age >= settings.settle / 3);
    if (counts || Date.now() - begun >= settings.settle) {
      const tries = otherwise || !right ? "after " + attempt + " attempts" : undefined;
      return [outcome, [outcome === "c" ? undefined : detail, attempt > 1 && tries].filter(Boolean).join(", ")];
    }
    otherwise = otherwise || !right;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

async function main() {
  for (const [protocol, port] of settings.listen) await (protocol === "UDP" ? serveUdp(port) : serveTcp(port));
  if (settings.ready) await serveTcp(settings.ready, "127.0.0.1");
  console.log("listening");
  if (settings.probes.length === 0) {
    setInterval(() => undefined, 60000);
    return;
  }
  const outcomes = new Array(settings.probes.length);
  let next = 0;
  const worker = async () => {
    while (next < outcomes.length) {
      const index = next++;
      outcomes[index] = await probe(settings.probes[index]);
    }
  };
  await Promise.all(Array.from({ length: settings.parallel }, worker));
  const wrong = settings.probes.filter(([how, , , wanted], index) => !asWanted(how, wanted, outcomes[index][0])).length;
  if (settings.complaint !== undefined) {
    if (wrong === 0) end(0, "as it must be");
    const words = { c: "connected", b: "blocked", r: "refused", f: "failed" };
    const said = outcomes.map(([outcome, detail]) => words[outcome] + (detail ? ", " + detail : ""));
    end(1, settings.complaint + " (" + said.join("; ") + ")");
  }
  const report = { outcomes: outcomes.map(([outcome]) => outcome).join(""), details: {} };
  for (const [index, [, detail]] of outcomes.entries()) {
    if (!detail || detail === "no answer") continue;
    report.details[index] = detail;
    if (JSON.stringify(report).length > 4000) {
      delete report.details[index];
      break;
    }
  }
  end(0, JSON.stringify(report));
}

main().catch((error) => end(3, JSON.stringify({ error: String(error.message) })));
`;

/** What a startup probe runs: done where the prober says that all its ports are open. */
export function listeningScript(port: number): string {
  return `require("node:net").connect(${port},"127.0.0.1",()=>process.exit(0)).on("error",()=>process.exit(1))`;
}
