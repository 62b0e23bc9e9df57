import type { Cancel, Clock } from "../../base/clock.ts";
import { P2pError } from "../../base/errors.ts";
import { InboundGate } from "../inbound_gate.ts";
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

/**
 * The connections that are not secured yet: lets inbound ones in through a gate and closes each at its deadline.
 *
 * Behind it a router has a gate of its own, for what comes after this: a connection that is secured and says no more, whatever the transport.
 */
export class PendingConnections {
  readonly #clock: Clock;
  readonly #handshakeMs: number;
  readonly #waiting = new Map<RawConnection, Waiting>();
  readonly #gate: InboundGate;

  /** See {@link PendingLimits}. */
  constructor({ clock, handshakeMs, pendingInboundMax, pendingInboundPerIpMax }: PendingLimits) {
    this.#clock = clock;
    this.#handshakeMs = handshakeMs;
    this.#gate = new InboundGate(clock, {
      handshakesMax: pendingInboundMax,
      handshakesPerHostMax: pendingInboundPerIpMax,
      attemptsBurst: Infinity, // how often, is for those who use the connections to say
    });
  }

  /** Connections that were closed at once because of a limit. */
  get refused(): number {
    return this.#gate.refused;
  }

  /** Takes in what a listener accepted; `undefined` if a limit had it closed. */
  accept(socket: TcpSocket): RawConnection | undefined {
    const giveUp = () =>
      raw.close(new P2pError("handshake_displaced", "The handshake took its time while others wait"));
    const leave = this.#gate.enter(socket.remote.host!, giveUp);
    if (typeof leave === "string") {
      socket.close();
      return undefined;
    }
    const raw = this.#add(socket, "inbound", leave);
    return raw;
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

  #add(socket: TcpSocket, direction: Direction, leave?: () => void): RawConnection {
    const ms = this.#handshakeMs;
    const raw = new RawConnection(socket, direction, () => {
      this.#waiting.get(raw)?.cancel();
      this.#waiting.delete(raw);
      leave?.();
    });
    const expire = () => raw.close(new P2pError("handshake_timeout", `Handshake was not over after ${ms} ms`));
    this.#waiting.set(raw, { socket, cancel: this.#clock.after(ms, expire), claimed: false });
    return raw;
  }
}
