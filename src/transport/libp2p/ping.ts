import { abortError, P2pError, ProtocolError } from "../../base/errors.ts";
import { type Clock, deadline } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { ByteWriter } from "../../codec/byte_writer.ts";
import type { HostConnection } from "./host_connection.ts";
import type { Libp2pStream } from "./libp2p_stream.ts";

/** libp2p's ping protocol: 32 bytes there, the same 32 bytes back, as often as the dialer likes. */
export const PING = "/ipfs/ping/1.0.0";

const PING_BYTES = 32;

/** Answers that wait because the remote does not read; more ends the stream. */
const UNSENT_BYTES_MAX = 64 * PING_BYTES;

/** Answers pings on `stream` until the remote ends it. Holds at most 2 KiB. */
export function answerPings(stream: Libp2pStream): void {
  const unsent = new ByteWriter(PING_BYTES);
  stream.pipe({
    data(chunk) {
      if (unsent.length + chunk.length > UNSENT_BYTES_MAX) {
        throw new ProtocolError("ping_flood", `Remote has ${unsent.length + chunk.length} bytes of pings on the way`);
      }
      unsent.push(chunk);
      stream.wake();
    },
    take(out) {
      out.push(unsent.bytes());
      unsent.clear();
    },
    ended() {
      stream.closeWrite();
    },
  });
}

/**
 * One round trip over `connection` by `/ipfs/ping/1.0.0`, in milliseconds.
 *
 * @throws {P2pError} `protocol_unsupported`, `ping_wrong_answer`, `deadline` without an answer within `deadlineMs`, why the stream or the connection ended; `aborted`, or the signal's reason if that is a {@link P2pError}.
 */
export async function ping(
  connection: HostConnection,
  options: { clock: Clock; random: Random; deadlineMs: number; signal?: AbortSignal },
): Promise<number> {
  const { clock, random, deadlineMs, signal } = options;
  const sent = random.fill(new Uint8Array(PING_BYTES));
  const stream = connection.newStream(PING);
  using limit = deadline(clock, deadlineMs, "Ping", signal);
  const abort = () => stream.reset(abortError(limit.signal, "The ping"));
  limit.signal.addEventListener("abort", abort);
  if (limit.signal.aborted) abort();
  try {
    const start = clock.now();
    await stream.write(sent);
    // The end is sent only now: some peers take it for a reason to reset the stream without an answer.
    for (let answered = 0; answered < PING_BYTES;) {
      const chunk = await stream.read();
      if (chunk === null || !chunk.every((byte, i) => byte === sent[answered + i])) {
        throw new P2pError("ping_wrong_answer", `Ping was answered with other bytes than the ${PING_BYTES} sent`);
      }
      answered += chunk.length;
    }
    return clock.now() - start;
  } finally {
    stream.release();
  }
}
