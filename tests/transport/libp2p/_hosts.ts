import { NodeKey } from "../../../src/identity/node_key.ts";
import { Libp2pHost } from "../../../src/transport/libp2p/host.ts";
import type { HostConnection } from "../../../src/transport/libp2p/host_connection.ts";
import type { Libp2pHostOptions } from "../../../src/transport/libp2p/host_options.ts";

/** A host with a key made from `seed`. */
export function host(seed: number, options: Partial<Libp2pHostOptions> = {}): Libp2pHost {
  return new Libp2pHost({ key: NodeKey.fromSeed(new Uint8Array(32).fill(seed)), ...options });
}

/** Bytes that tell where they belong. */
export function pattern(length: number, salt = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >>> 8) + salt) & 0xff;
  return bytes;
}

/** Whether two arrays hold the same bytes; far quicker than a deep comparison. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Serves `/echo/1.0.0`. */
export function serveEcho(of: Libp2pHost): void {
  of.handle("/echo/1.0.0", async (stream) => {
    for await (const chunk of stream) await stream.write(chunk);
    stream.closeWrite();
  });
}

/** Sends `bytes` through the remote's echo and returns what came back. */
export async function echo(connection: HostConnection, bytes: Uint8Array): Promise<Uint8Array> {
  const stream = await connection.openStream("/echo/1.0.0");
  const sent = stream.write(bytes).then(() => stream.closeWrite());
  const answer = await stream.readAll(bytes.length + 1);
  await sent;
  return answer;
}

/** Listens on loopback and returns the multiaddr. */
export function listen(on: Libp2pHost): string {
  return on.listen("/ip4/127.0.0.1/tcp/0").multiaddr;
}

/** The first event of `type` from now on. */
export function nextEvent<T extends "opened" | "closed" | "handshake_failed">(of: Libp2pHost, type: T) {
  return new Promise<Extract<Parameters<Parameters<Libp2pHost["subscribe"]>[0]>[0], { type: T }>>((resolve) => {
    const stop = of.subscribe((event) => {
      if (event.type !== type) return;
      stop();
      resolve(event as Extract<typeof event, { type: T }>);
    });
  });
}
