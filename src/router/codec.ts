import { ProtocolError } from "../base/errors.ts";
import { ProtoReader, ProtoWriter } from "../codec/proto.ts";

/** How a channel's messages become bytes; a protobufjs type fits as `{ encode: (m) => T.encode(m).finish(), decode: T.decode }`. */
export interface MessageCodec<T> {
  /** The bytes of a message. They must not change afterwards: what is queued is not copied. */
  encode(message: T): Uint8Array;
  /** The message of bytes from a peer; throws on whatever is malformed. */
  decode(bytes: Uint8Array): T;
}

/** Messages that are bytes already; received ones are views of the memory they arrived in. */
export const bytesCodec: MessageCodec<Uint8Array> = {
  encode: (message) => message,
  decode: (bytes) => bytes,
};

/** One alternative of a wrapper message. */
export interface Variant<T> {
  /** Its field number in the `oneof`. */
  readonly field: number;
  /** Its codec. */
  readonly codec: MessageCodec<T>;
}

/** A wrapped message: which alternative, and it. */
export type OneOf<V extends Record<string, unknown>> = {
  [K in keyof V & string]: { readonly type: K; readonly value: V[K] };
}[keyof V & string];

/**
 * A channel type for several messages: a protobuf wrapper with one `oneof` (ADR-062), wrapped when sent, unwrapped when received.
 *
 * @example
 * ```ts
 * import { bytesCodec, oneOfCodec } from "@raintree/p2p";
 * const codec = oneOfCodec<{ ask: Uint8Array; answer: Uint8Array }>({
 *   ask: { field: 1, codec: bytesCodec },
 *   answer: { field: 2, codec: bytesCodec },
 * });
 * const bytes = codec.encode({ type: "ask", value: new Uint8Array([7]) });
 * if (codec.decode(bytes).type !== "ask") throw new Error("not what was sent");
 * ```
 */
export function oneOfCodec<V extends Record<string, unknown>>(
  variants: { readonly [K in keyof V]: Variant<V[K]> },
): MessageCodec<OneOf<V>> {
  const byField = new Map<number, keyof V & string>();
  for (const type of Object.keys(variants)) byField.set(variants[type].field, type);
  return {
    encode({ type, value }) {
      const { field, codec } = variants[type];
      return new ProtoWriter().message(field, codec.encode(value)).finish();
    },
    decode(bytes) {
      const reader = new ProtoReader(bytes);
      let message: OneOf<V> | undefined;
      for (let field = reader.next(); field !== 0; field = reader.next()) {
        const type = byField.get(field);
        // The last alternative wins, as in every protobuf decoder.
        if (type !== undefined) message = { type, value: variants[type].codec.decode(reader.bytes()) } as OneOf<V>;
      }
      if (message === undefined) throw new ProtocolError("wrapper_empty", "Wrapper holds none of the known messages");
      return message;
    },
  };
}
