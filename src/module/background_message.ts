import { ProtoReader, ProtoWriter } from "../codec/proto.ts";
import { decodeEnvelope, encodeEnvelope, type PocketEnvelope } from "../raintree/envelope.ts";
import type { MessageCodec } from "../router/codec.ts";

/**
 * What the direct channel carries, the same bytes as on Pocket V1's `pokt/background/v1.0.0`: `BackgroundMessage { bytes data = 1; }`, whose data is an
 * encoded `PocketEnvelope`. Decoding throws a `ProtocolError` as `decodeEnvelope` does, also for a message without data.
 */
export const backgroundMessageCodec: MessageCodec<PocketEnvelope> = {
  encode: (envelope) => new ProtoWriter().bytes(1, encodeEnvelope(envelope)).finish(),
  decode(bytes) {
    let data = bytes.subarray(bytes.length);
    const reader = new ProtoReader(bytes);
    for (let field = reader.next(); field !== 0; field = reader.next()) {
      if (field === 1) data = reader.bytes();
    }
    return decodeEnvelope(data);
  },
};
