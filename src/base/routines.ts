/**
 * The long-running loops of one node, by name: one listening, one reading and one writing per connected peer.
 * Whatever loops starts here, so that {@link count} tells the truth and `settled()` waits for all of it.
 */
export class Routines {
  readonly #running = new Map<Promise<void>, string>();

  /** How many routines run now. */
  get count(): number {
    return this.#running.size;
  }

  /** The names of the running routines, sorted: `listen`, `read 3f…`, `write 3f…`. */
  names(): string[] {
    return [...this.#running.values()].sort();
  }

  /** Runs `routine` until it returns. It handles its own failures; one that rejects is a bug and stays unhandled on purpose. */
  start(name: string, routine: () => Promise<void>): Promise<void> {
    const running: Promise<void> = routine().finally(() => this.#running.delete(running));
    this.#running.set(running, name);
    return running;
  }

  /** Resolves when every routine has ended. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running.keys()]);
  }
}
