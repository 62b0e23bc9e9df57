import { abortError, asP2pError, P2pError, ProtocolError } from "../../base/errors.ts";
import type { HostConnection } from "./host_connection.ts";
import { DeadlineQueue } from "./deadline_queue.ts";
import type { Libp2pHost } from "./host.ts";
import type { PeerRef } from "./host_options.ts";
import type { Libp2pStream } from "./libp2p_stream.ts";
import { ReceiveQueue } from "./receive_queue.ts";

/**
 * Sends one message as Pocket does: a stream of its own, whose bytes to the end are the message.
 * The opening of the stream, the proposal of the protocol and the message go out in one socket write, the end when the remote
 * has agreed. `message` must not change before this resolves.
 *
 * Resolves when the remote has agreed to the protocol and everything including the end went to the connection: one round trip.
 * It does not wait for the remote to end the stream in return, because Pocket's nodes do so by resetting it, which tells nothing,
 * unless `untilGone` is set: then the remote has no stream open for the message any more.
 *
 * @throws {P2pError} `peer_not_connected`, `protocol_unsupported`, `streams_exhausted`, `stream_reset`, `stream_timeout` if
 * nothing moves for the host's stream deadline, why the connection ended; `aborted`, or the signal's reason if that is a {@link P2pError}.
 */
export async function sendMessage(
  host: Libp2pHost,
  peer: PeerRef,
  protocol: string,
  message: Uint8Array,
  options: { signal?: AbortSignal; untilGone?: boolean } = {},
): Promise<void> {
  const { signal, untilGone = false } = options;
  if (signal?.aborted) throw abortError(signal, "The message");
  const stream = host.connectionTo(peer).newStream(protocol);
  const abort = () => stream.reset(abortError(signal!, "The message"));
  signal?.addEventListener("abort", abort, { once: true });
  // The whole message is queued by reference whatever its length; its one owner waits below.
  void stream.write(message);
  stream.release();
  try {
    await stream.flushed();
    if (untilGone) await gone(stream);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** Resolves when the remote has ended or reset a released stream, at the latest when its deadline has. */
async function gone(stream: Libp2pStream): Promise<void> {
  try {
    while (await stream.read() !== null);
  } catch {
    return; // a reset is one of the ways to end it
  }
}

/** Limits of {@link handleMessages}. */
export interface MessageHandlerOptions {
  /** The longest message in bytes; a longer one is reset with `stream_too_long`. @default {4194368} 4 MiB and a header */
  maxBytes?: number;
  /** Milliseconds from the start of a stream to its end; a slower one is reset with `stream_timeout`. @default {10000} */
  deadlineMs?: number;
  /** Bytes of unfinished messages held for all peers together; the stream that would pass it is reset with `messages_no_room`. @default {67108864} */
  unfinishedBytesMax?: number;
  /** The same, of one connection: a peer leaves room for the others. @default {16777216} but at least `maxBytes` */
  unfinishedBytesPerConnectionMax?: number;
  /** A peer broke the protocol, with a message that is too long for one; its stream is reset already. @default {nobody is told} */
  onViolation?: (from: HostConnection, error: ProtocolError) => void;
}

/** Takes one message. The stream ends, and with it the sender's wait, when the returned promise resolves. A throw resets the stream. */
export type OnMessage = (from: HostConnection, message: Uint8Array) => void | Promise<void>;

/** What the unfinished messages of one connection hold. */
interface Share {
  bytes: number;
  streams: number;
}

/** Receives what {@link sendMessage} sends: serves `protocol` on `host` until it is unhandled. */
export function handleMessages(
  host: Libp2pHost,
  protocol: string,
  options: MessageHandlerOptions,
  onMessage: OnMessage,
): void {
  const {
    maxBytes = 4 * 1024 * 1024 + 64,
    deadlineMs = 10_000,
    unfinishedBytesMax = 64 * 1024 * 1024,
    unfinishedBytesPerConnectionMax = Math.max(maxBytes, 16 * 1024 * 1024),
    onViolation = () => {},
  } = options;
  const deadlines = new DeadlineQueue<Libp2pStream>(host.clock, deadlineMs, (stream) => {
    stream.reset(new P2pError("stream_timeout", `Message did not end within ${deadlineMs} ms`));
  });
  let unfinishedBytes = 0;
  const shares = new Map<HostConnection, Share>();
  const receive = (stream: Libp2pStream) => {
    const received = new ReceiveQueue();
    const { connection } = stream;
    const share = shares.get(connection) ?? { bytes: 0, streams: 0 };
    if (share.streams++ === 0) shares.set(connection, share);
    deadlines.add(stream);
    stream.pipe({
      data(chunk) {
        if (received.bytes + chunk.length > maxBytes) {
          throw new ProtocolError("stream_too_long", `Message is longer than ${maxBytes} bytes`);
        }
        checkRoom("Messages", unfinishedBytes, chunk.length, unfinishedBytesMax);
        checkRoom("The peer's messages", share.bytes, chunk.length, unfinishedBytesPerConnectionMax);
        unfinishedBytes += chunk.length;
        share.bytes += chunk.length;
        received.push(chunk);
      },
      take() {},
      ended(reason) {
        deadlines.delete(stream);
        unfinishedBytes -= received.bytes;
        share.bytes -= received.bytes;
        if (--share.streams === 0) shares.delete(connection);
        if (reason instanceof ProtocolError) onViolation(connection, reason);
        if (reason !== undefined) return received.clear();
        const handled = onMessage(connection, received.takeAll());
        if (handled === undefined) return stream.closeWrite();
        handled.then(
          () => stream.closeWrite(),
          (cause) => stream.reset(asP2pError("message_handler_failed", cause)),
        );
      },
    });
  };
  host.handle(protocol, receive, { unhandled: () => deadlines.clear() });
}

function checkRoom(whose: string, held: number, more: number, limit: number): void {
  if (held + more <= limit) return;
  throw new P2pError("messages_no_room", `${whose} of ${held} bytes are unfinished, the limit is ${limit}`);
}
