import type { Random } from "../base/random.ts";
import { listenTcp, type TcpListener } from "../transport/libp2p/tcp_socket.ts";
import { P2pError } from "../base/errors.ts";

/** Below the ports that systems hand out to whoever dials: a free one stays free until it is used. */
const LEAST = 15_000;
const MOST = 32_000;

/** How many places are tried. */
const TRIES = 50;

/**
 * `count` ports of `host` in a row that nobody listens on: from `first` on, or where there is room for `first` 0.
 *
 * @throws {P2pError} `port_in_use`
 */
export function freePorts(host: string, first: number, count: number, random: Random): number[] {
  if (first > 0) return tryPorts(host, first, count);
  for (let tries = 1;; tries++) {
    try {
      return tryPorts(host, LEAST + Math.floor(random.next() * (MOST - LEAST - count)), count);
    } catch (error) {
      if (!(error instanceof P2pError && error.code === "port_in_use") || tries === TRIES) throw error;
    }
  }
}

function tryPorts(host: string, first: number, count: number): number[] {
  const listeners: TcpListener[] = [];
  try {
    for (let i = 0; i < count; i++) listeners.push(listenTcp(host, first + i));
    return listeners.map((_, i) => first + i);
  } finally {
    for (const listener of listeners) listener.close();
  }
}
