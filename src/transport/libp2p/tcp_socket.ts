import { asError, P2pError } from "../../base/errors.ts";
import type { Endpoint } from "../transport.ts";

/** Not only for the address at hand: the next peer is at another one. */
const PERMISSION_HINT = "Run deno with --allow-net";

/** A TCP connection and nothing else. The only file of the project that names `Deno.listen` and `Deno.connect`. */
export class TcpSocket {
  /** This end. */
  readonly local: Endpoint;
  /** The other end. */
  readonly remote: Endpoint;
  /** Bytes read from the socket so far. */
  bytesRead = 0;
  /** Bytes the system has taken from us so far. */
  bytesWritten = 0;
  readonly #conn: Deno.TcpConn;
  #closed = false;

  /** Takes over an open `conn`. */
  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    this.local = endpointOf(conn.localAddr);
    this.remote = endpointOf(conn.remoteAddr);
  }

  /** Reads what is there, at most `into.length` bytes; `null` at the end. @throws {P2pError} `connection_lost` */
  async read(into: Uint8Array): Promise<number | null> {
    try {
      const count = await this.#conn.read(into);
      if (count !== null) this.bytesRead += count;
      return count;
    } catch (cause) {
      throw lost("read from", this.remote, cause);
    }
  }

  /** Writes all of `bytes`, which must not change until this resolves. @throws {P2pError} `connection_lost` */
  async write(bytes: Uint8Array): Promise<void> {
    try {
      let written = await this.#conn.write(bytes);
      while (written < bytes.length) written += await this.#conn.write(bytes.subarray(written));
      this.bytesWritten += written;
    } catch (cause) {
      throw lost("write to", this.remote, cause);
    }
  }

  /** Ends our direction; the other end reads everything written before and then the end. */
  async closeWrite(): Promise<void> {
    try {
      await this.#conn.closeWrite();
    } catch (cause) {
      throw lost("end", this.remote, cause);
    }
  }

  /** Frees the socket; what waits in {@link read} or {@link write} rejects. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
  }
}

/** A listening TCP port. */
export class TcpListener {
  /** Where it listens, with the port the system chose. */
  readonly endpoint: Endpoint;
  readonly #listener: Deno.TcpListener;
  #closed = false;

  /** Takes over an open `listener`. */
  constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    this.endpoint = endpointOf(listener.addr);
  }

  /** The next connection; `undefined` once the listener is closed. @throws {P2pError} `accept_failed`, after which listening goes on. */
  async accept(): Promise<TcpSocket | undefined> {
    try {
      const conn = await this.#listener.accept();
      conn.setNoDelay(true);
      return new TcpSocket(conn);
    } catch (cause) {
      if (this.#closed) return undefined;
      throw new P2pError("accept_failed", `Cannot accept a connection: ${asError(cause).message}`, {
        cause,
        hint: "If the system is out of file descriptors, raise the limit (ulimit -n)",
      });
    }
  }

  /** Stops listening. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
  }
}

/**
 * Connects to `host:port`; a DNS name is resolved now.
 *
 * @throws {P2pError} `dial_refused`, `dial_timeout`, `dial_unreachable`, `dial_unresolved`, `dial_forbidden`; the signal's own
 * reason if it aborted for another cause than a deadline.
 */
export async function dialTcp(host: string, port: number, signal?: AbortSignal): Promise<TcpSocket> {
  signal?.throwIfAborted();
  let conn: Deno.TcpConn;
  try {
    conn = await Deno.connect({ hostname: host, port, signal });
  } catch (cause) {
    throw dialError(host, port, cause, signal);
  }
  if (signal?.aborted) {
    conn.close();
    throw dialError(host, port, signal.reason, signal);
  }
  conn.setNoDelay(true);
  return new TcpSocket(conn);
}

/** Listens on `host:port`; port 0 lets the system choose. @throws {P2pError} `port_in_use`, `port_forbidden`, `listen_failed` */
export function listenTcp(host: string, port: number): TcpListener {
  try {
    return new TcpListener(Deno.listen({ hostname: host, port }));
  } catch (cause) {
    const where = `${host}:${port}`;
    if (cause instanceof Deno.errors.AddrInUse) {
      throw new P2pError("port_in_use", `Cannot listen on ${where}: another program does`, {
        cause,
        hint: `Stop the program that uses port ${port}, or configure another port (0 lets the system choose)`,
      });
    }
    if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
      throw new P2pError("port_forbidden", `Cannot listen on ${where}: not permitted`, {
        cause,
        hint: port > 0 && port < 1024
          ? "Ports below 1024 are reserved for the superuser: choose a higher one"
          : PERMISSION_HINT,
      });
    }
    throw new P2pError("listen_failed", `Cannot listen on ${where}: ${asError(cause).message}`, {
      cause,
      hint: "Choose an address of this machine, or 0.0.0.0 for all of them",
    });
  }
}

function endpointOf(address: Deno.NetAddr): Endpoint {
  return { protocol: "tcp", host: address.hostname, port: address.port };
}

function lost(action: string, remote: Endpoint, cause: unknown): P2pError {
  return new P2pError("connection_lost", `Cannot ${action} ${remote.host}:${remote.port}: ${asError(cause).message}`, {
    cause,
  });
}

function dialError(host: string, port: number, cause: unknown, signal: AbortSignal | undefined): unknown {
  const where = `${host}:${port}`;
  const failed = (code: string, why: string, hint?: string) =>
    new P2pError(code, `Cannot dial ${where}: ${why}`, { cause, hint });
  if (signal?.aborted) {
    const reason = signal.reason;
    const late = reason instanceof P2pError ? reason.code === "deadline" : asError(reason).name === "TimeoutError";
    return late ? failed("dial_timeout", "no answer in time") : reason;
  }
  const { errors } = Deno;
  if (cause instanceof errors.ConnectionRefused) {
    return failed("dial_refused", "nobody listens there", "Check that the node runs and that the port is right");
  }
  if (cause instanceof errors.TimedOut) return failed("dial_timeout", "no answer in time");
  if (cause instanceof errors.PermissionDenied || cause instanceof errors.NotCapable) {
    return failed("dial_forbidden", "not permitted", PERMISSION_HINT);
  }
  const message = asError(cause).message;
  if (/lookup|resolve|Name or service|No address/i.test(message)) {
    return failed("dial_unresolved", `the name has no address (${message})`, "Check the name and the DNS server");
  }
  return failed("dial_unreachable", message);
}
