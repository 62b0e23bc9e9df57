// What nonces are marked with, as bits. The first, which a `NonceDeduper` takes where none is given, is for those that the application got, in whatever way.

/**
 * It came as a broadcast: it is kept, offered and passed on. Not a private message under the nonce of a broadcast: otherwise a liar takes the broadcast from
 * those who could have passed it on by sending it to them in private.
 */
export const HELD = 2;

/** Its payload came by repair. */
export const REPAIRED = 4;

/** A nonce under which something else may have come first than what is kept: a private message, or what is forgotten. This node does not vouch for it. */
export const STRAY = 8;
