/** Passes TCP connections on to a port of this machine, until it is told to stop: then both ends see a peer that neither reads nor writes. */
export class StoppableProxy implements AsyncDisposable {
  /** Where to dial instead. */
  readonly port: number;
  readonly #target: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.TcpConn[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #stopped = false;

  constructor(target: number) {
    this.#target = target;
    this.port = this.#listener.addr.port;
    this.#running.push(this.#accept());
  }

  /** From now on nothing moves. */
  stop(): void {
    this.#stopped = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.#closed.resolve();
    for (const conn of this.#conns) conn.close();
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for await (const near of this.#listener) {
      const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
      this.#conns.push(near, far);
      this.#running.push(this.#pass(near, far), this.#pass(far, near));
    }
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (this.#stopped) return await this.#closed.promise;
        if (count === null) return await to.closeWrite();
        for (let at = 0; at < count;) at += await to.write(buffer.subarray(at, count));
      }
    } catch {
      return; // one of the ends is gone, the other one is closed with the proxy
    }
  }
}
