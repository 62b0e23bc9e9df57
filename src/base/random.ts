/** Randomness as the node sees it. Production uses {@link systemRandom}; tests and the simulator inject a seeded one. */
export interface Random {
  /** Fills `bytes` and returns it. */
  fill<T extends Uint8Array>(bytes: T): T;
  /** A number in `[0, 1)`. */
  next(): number;
}

/** What `crypto.getRandomValues` fills at most in one call. */
const QUOTA_BYTES = 65_536;

/** The machine's cryptographic randomness. */
export const systemRandom: Random = {
  fill(bytes) {
    for (let at = 0; at < bytes.length; at += QUOTA_BYTES) {
      crypto.getRandomValues(bytes.subarray(at, at + QUOTA_BYTES) as Uint8Array<ArrayBuffer>);
    }
    return bytes;
  },
  next: () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32,
};

/** A repeatable source (xoshiro128**, seeded by splitmix32): equal seeds give equal sequences. Never for keys. */
export function seededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const splitmix = () => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  let a = splitmix(), b = splitmix(), c = splitmix(), d = splitmix();
  const rotate = (x: number, k: number) => ((x << k) | (x >>> (32 - k))) >>> 0;
  const uint32 = () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = rotate(d, 11);
    return result;
  };
  return {
    fill(bytes) {
      for (let i = 0; i < bytes.length; i++) bytes[i] = uint32() & 0xff;
      return bytes;
    },
    next: () => uint32() / 2 ** 32,
  };
}

/** An integer in `[0, limit)`. */
export function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit);
}
