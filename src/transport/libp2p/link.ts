import type { Cancel, Clock } from "../../base/clock.ts";
import { asP2pError, P2pError } from "../../base/errors.ts";
import { letOthers } from "../../base/let_others.ts";
import type { Routines } from "../../base/routines.ts";
import { Signal } from "../../base/signal.ts";
import { free } from "../../codec/free.ts";
import type { RecordOpener } from "../../security/record_opener.ts";
import type { RecordSealer } from "../../security/record_sealer.ts";
import type { LinkBuffers } from "./link_buffers.ts";
import type { TcpSocket } from "./tcp_socket.ts";
import type { Yamux } from "./yamux.ts";

/** What a {@link Link} moves bytes between. */
export interface LinkOptions {
  /** The connected socket; closed by the link. */
  socket: TcpSocket;
  /** Seals what is written. */
  sealer: RecordSealer;
  /** Opens what is read. */
  opener: RecordOpener;
  /** Takes and gives plaintext. */
  session: Yamux;
  /** Where the two routines run. */
  routines: Routines;
  /** Whom the routines serve, in their names. */
  name: string;
  /** For the time an orderly end may take. */
  clock: Clock;
  /** The node's large buffers. */
  buffers: LinkBuffers;
  /** The link ended, once: `undefined` after an orderly end, otherwise why. The session is closed already. */
  ended: (reason: P2pError | undefined) => void;
}

/** One turn of the write routine takes about this much. */
const TURN_BYTES = 128 * 1024;

/**
 * What a connection holds to read into. A read that fills it is followed by reads into a large buffer lent by the node, until one
 * finds the socket empty: traffic pays one small read per burst, and an idle connection holds no large buffer.
 */
const SMALL_READ_BYTES = 8 * 1024;

/**
 * Work in milliseconds on what one connection sent, after which everybody else gets a turn: Deno answers a read at once as long as the socket has
 * something, so a peer that sends faster than its messages are handled would hold up the other connections, timers and pings for seconds.
 */
const READ_TURN_MS = 4;

/** How long an end waits at most for the remote to take the last bytes, and an orderly one for it to end too. */
export const LINGER_MS = 1_000;

/**
 * A secured TCP connection under a yamux session: one read routine and one write routine.
 *
 * The read routine reads what is there, opens the records and pushes the plaintext into the session. The write routine
 * waits until something is to be sent, then takes everything queued by all streams in one turn, seals it into as few records
 * as hold it, and makes one socket write; what is queued meanwhile goes with the next turn.
 */
export class Link {
  readonly #socket: TcpSocket;
  readonly #sealer: RecordSealer;
  readonly #opener: RecordOpener;
  readonly #session: Yamux;
  readonly #routines: Routines;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #buffers: LinkBuffers;
  readonly #onEnded: (reason: P2pError | undefined) => void;
  readonly #work = new Signal();
  #running: Promise<unknown> = Promise.resolve();
  #writing = false;
  // Behind the last write: whatever happens to the socket now, nothing is lost.
  #finished = false;
  #draining = false;
  #failed: P2pError | undefined;
  #ended = false;
  #linger: Cancel | undefined;

  /** See {@link LinkOptions}. */
  constructor(options: LinkOptions) {
    this.#socket = options.socket;
    this.#sealer = options.sealer;
    this.#opener = options.opener;
    this.#session = options.session;
    this.#routines = options.routines;
    this.#name = options.name;
    this.#clock = options.clock;
    this.#buffers = options.buffers;
    this.#onEnded = options.ended;
  }

  /** Starts both routines. `plaintext` and then `received`, ciphertext, came behind the handshake. */
  start(plaintext: Uint8Array, received: Uint8Array): void {
    this.#running = Promise.all([
      this.#routines.start(`read ${this.#name}`, () => this.#read(plaintext, received)),
      this.#routines.start(`write ${this.#name}`, () => this.#write()),
    ]);
  }

  /** The session has something to send. */
  wake(): void {
    this.#work.raise();
  }

  /**
   * Without a reason: sends what is queued and a go-away, ends our direction and waits for the remote to do likewise, for
   * `lingerMs` at most, one second unless told otherwise. With a reason: resets everything at once and tells the remote why, if the socket takes that within a
   * second. Idempotent; resolves when both routines have ended.
   */
  async close(reason?: P2pError, lingerMs: number = LINGER_MS): Promise<void> {
    if (reason !== undefined) this.#fail(reason);
    else if (!this.#draining && !this.#ended) {
      this.#draining = true;
      this.#session.goAway();
      this.#limit(lingerMs);
      this.wake();
    }
    await this.#running;
  }

  async #read(plaintext: Uint8Array, received: Uint8Array): Promise<void> {
    try {
      const deliver = (plaintext: Uint8Array) => {
        if (!this.#session.receive(plaintext)) free(plaintext);
      };
      this.#session.receive(plaintext);
      this.#opener.push(received, deliver);
      const small = new Uint8Array(SMALL_READ_BYTES);
      let buffer: Uint8Array = small;
      let turnMs = 0;
      while (!this.#ended && this.#failed === undefined) {
        const count = await this.#socket.read(buffer);
        if (count === null) return this.#endOfFile();
        const startMs = this.#clock.now();
        this.#opener.push(count === buffer.length ? buffer : buffer.subarray(0, count), deliver);
        const tookMs = this.#clock.now() - startMs;
        turnMs += tookMs;
        // What takes a turn or more to handle is read in small portions, so that the turn ends soon.
        if (count === buffer.length && tookMs < READ_TURN_MS) {
          if (buffer === small) buffer = this.#buffers.takeRead();
        } else if (buffer !== small) {
          this.#buffers.giveRead(buffer);
          buffer = small;
        }
        if (turnMs >= READ_TURN_MS) {
          turnMs = 0;
          await letOthers();
        }
      }
    } catch (cause) {
      if (this.#finished) this.#end(undefined);
      else this.#fail(asP2pError("connection_failed", cause));
    }
  }

  async #write(): Promise<void> {
    try {
      while (!this.#ended) {
        const plain = this.#buffers.plain();
        this.#session.compose(plain, TURN_BYTES);
        if (plain.length > 0) {
          const sealed = this.#buffers.takeSealed();
          this.#sealer.seal(plain.bytes(), sealed);
          this.#writing = true;
          await this.#socket.write(sealed.bytes());
          this.#writing = false;
          this.#buffers.giveSealed(sealed);
        } else if (this.#failed !== undefined) {
          return this.#end(this.#failed);
        } else if (this.#draining && !this.#session.blocked) {
          this.#finished = true;
          return await this.#socket.closeWrite();
        } else {
          await this.#work.raised();
        }
      }
    } catch (cause) {
      this.#end(this.#failed ?? (this.#finished ? undefined : asP2pError("connection_failed", cause)));
    }
  }

  // The remote ended its direction. Behind a go-away, or while we end too, that is in order.
  #endOfFile(): void {
    if (this.#draining || this.#session.remoteGoneAway) this.#end(undefined);
    else this.#end(new P2pError("connection_lost", "The remote closed the connection without a word"));
  }

  // The go-away that tells the remote why is the write routine's last act, unless a write is under way or the last is done.
  #fail(reason: P2pError): void {
    if (this.#failed !== undefined || this.#ended) return;
    this.#failed = reason;
    this.#session.goAway(reason);
    this.#session.close(reason);
    if (this.#writing || this.#finished) return this.#end(reason);
    this.#limit(LINGER_MS);
    this.wake();
  }

  // Every end that waits for the socket comes here: it may take nothing any more.
  #limit(ms: number): void {
    this.#linger ??= this.#clock.after(ms, () => {
      const stuck = `The remote did not take everything within ${ms} ms of closing`;
      this.#end(this.#failed ?? (this.#finished ? undefined : new P2pError("close_timeout", stuck)));
    });
  }

  #end(reason: P2pError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#linger?.();
    this.#session.close(reason ?? new P2pError("connection_closed", "The connection was closed"));
    this.#socket.close();
    this.wake();
    this.#onEnded(reason);
  }
}
