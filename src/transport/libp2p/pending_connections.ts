import type { Cancel, Clock } from "../../base/clock.ts";
import { P2pError } from "../../base/errors.ts";
import type { Direction } from "../transport.ts";
import { RawConnection } from "./raw_connection.ts";
import type { TcpSocket } from "./tcp_socket.ts";

/** Limits of {@link PendingConnections}. */
export interface PendingLimits {
  /** For the deadline. */
  clock: Clock;
  /** How long a connection may stay unsecured. */
  handshakeMs: number;
  /** Inbound connections at once. */
  pendingInboundMax: number;
  /** The same, of one IP address. */
  pendingInboundPerIpMax: number;
}

interface Waiting {
  readonly socket: TcpSocket;
  readonly cancel: Cancel;
  claimed: boolean;
}

/** The connections that are not secured yet: counts inbound ones against the limits and closes each at its deadline. */
export class PendingConnections {
  readonly #limits: PendingLimits;
  readonly #waiting = new Map<RawConnection, Waiting>();
  readonly #perIp = new Map<string, number>();
  #inbound = 0;
  /** Connections that were closed at once because of a limit. */
  refused = 0;

  /** See {@link PendingLimits}. */
  constructor(limits: PendingLimits) {
    this.#limits = limits;
  }

  /** Takes in what a listener accepted; `undefined` if a limit had it closed. */
  accept(socket: TcpSocket): RawConnection | undefined {
    const { pendingInboundMax, pendingInboundPerIpMax } = this.#limits;
    const ip = socket.remote.host!;
    const ofIp = this.#perIp.get(ip) ?? 0;
    if (this.#inbound >= pendingInboundMax || ofIp >= pendingInboundPerIpMax) {
      this.refused++;
      socket.close();
      return undefined;
    }
    this.#inbound++;
    this.#perIp.set(ip, ofIp + 1);
    return this.#add(socket, "inbound");
  }

  /** Takes in what we dialled. */
  dialled(socket: TcpSocket): RawConnection {
    return this.#add(socket, "outbound");
  }

  /** The socket of `raw`, for its handshake; `raw` stays in here until it is secured or closed. */
  claim(raw: RawConnection): TcpSocket {
    const waiting = this.#waiting.get(raw);
    if (waiting === undefined) throw raw.reason ?? new P2pError("connection_closed", "The connection was closed");
    if (waiting.claimed) throw new TypeError("Cannot secure a connection twice");
    waiting.claimed = true;
    return waiting.socket;
  }

  /** Closes all of them with `reason`. */
  close(reason: P2pError): void {
    for (const raw of [...this.#waiting.keys()]) raw.close(reason);
  }

  #add(socket: TcpSocket, direction: Direction): RawConnection {
    const { clock, handshakeMs } = this.#limits;
    const raw = new RawConnection(socket, direction, () => this.#remove(raw));
    const expire = () => raw.close(new P2pError("handshake_timeout", `Handshake was not over after ${handshakeMs} ms`));
    this.#waiting.set(raw, { socket, cancel: clock.after(handshakeMs, expire), claimed: false });
    return raw;
  }

  #remove(raw: RawConnection): void {
    this.#waiting.get(raw)?.cancel();
    this.#waiting.delete(raw);
    if (raw.direction === "outbound") return;
    this.#inbound--;
    const ip = raw.remoteEndpoint.host!;
    const left = this.#perIp.get(ip)! - 1;
    if (left === 0) this.#perIp.delete(ip);
    else this.#perIp.set(ip, left);
  }
}
