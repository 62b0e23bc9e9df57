import { type Clock, deadline, sleep } from "../base/clock.ts";
import { asError, P2pError } from "../base/errors.ts";
import type { BackendName } from "./manifest.ts";
import type { LocalNode } from "./backend.ts";

/** What a network that is up keeps in its folder, beside keys, configurations, logs and process numbers. */
export interface LocalnetState {
  /** Name of the network. */
  readonly name: string;
  /** Where it runs. */
  readonly backend: BackendName;
  /** Digest of the manifest it was made from. */
  readonly digest: string;
  /** Its nodes; of the memory back end, none before they listen. */
  readonly nodes: readonly LocalNode[];
}

/** All that may lie in a folder; nothing else is touched. */
const PARTS = ["state.json", "manifest.json", "token", "genesis.json", "keys", "config", "logs", "pids", "requests"];

/** How long another command may hold a folder, milliseconds. */
const LOCK_MS = 120_000;

/** How often the lock is asked for, milliseconds. */
const LOOK_MS = 50;

/** The one folder where everything of one network lies. Only its owner may look into it. */
export class StateFolder {
  /** The folder. */
  readonly path: string;
  readonly #clock: Clock;

  /** Touches nothing. */
  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /** A file in it. */
  file(...parts: string[]): string {
    return [this.path, ...parts].join("/");
  }

  /**
   * Holds it against other commands until disposed of; a crash lets it go. Folders that these commands did not make are not taken: their `config` or `logs` would
   * be removed.
   *
   * @throws {P2pError} `state_foreign`, `state_unwritable`, `deadline`; the signal's reason
   */
  async lock(signal?: AbortSignal): Promise<Disposable> {
    using limit = deadline(this.#clock, LOCK_MS, "Another command at work on the same network", signal);
    for (;;) {
      limit.signal.throwIfAborted();
      await this.#assertOurs();
      const file = await this.#attempt(async () => {
        await Deno.mkdir(this.path, { recursive: true, mode: 0o700 });
        return await Deno.open(this.file("lock"), { create: true, write: true });
      });
      if (await file.tryLock(true) && await this.#isLock(file)) return { [Symbol.dispose]: () => file.close() };
      file.close();
      await sleep(this.#clock, LOOK_MS, limit.signal);
    }
  }

  /** What is up; `undefined` where nothing is. @throws {P2pError} `state_unreadable` */
  async read(): Promise<LocalnetState | undefined> {
    try {
      return JSON.parse(await Deno.readTextFile(this.file("state.json")));
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return undefined;
      throw new P2pError("state_unreadable", `Cannot read "${this.file("state.json")}": ${asError(cause).message}`, {
        cause,
        hint: `If no command wrote it, remove ${this.path}`,
      });
    }
  }

  /** Writes what {@link read} reads. @throws {P2pError} `state_unwritable` */
  async save(state: LocalnetState): Promise<void> {
    await this.write("state.json", `${JSON.stringify(state, null, 2)}\n`);
  }

  /** The bearer token. */
  async token(): Promise<string> {
    return (await Deno.readTextFile(this.file("token"))).trim();
  }

  /** Makes the folders, empty. @throws {P2pError} `state_unwritable` */
  async prepare(): Promise<void> {
    await this.#clear();
    await this.#attempt(async () => {
      for (const part of ["keys", "config", "logs", "pids", "requests"]) {
        await Deno.mkdir(this.file(part), { recursive: true, mode: 0o700 });
      }
    });
  }

  /** Writes a file whole or not at all, for its owner. @throws {P2pError} `state_unwritable` */
  async write(name: string, text: string): Promise<void> {
    await this.#attempt(async () => {
      const path = this.file(name);
      await Deno.writeTextFile(`${path}.new`, text, { mode: 0o600 });
      await Deno.rename(`${path}.new`, path);
    });
  }

  /** Removes everything that was put there; the folder too, unless somebody else put something there. */
  async remove(): Promise<void> {
    await this.#clear();
    await removeIfThere(this.file("lock"));
    try {
      await Deno.remove(this.path);
    } catch (error) {
      // Not empty: what is left is not ours.
      if (!(error instanceof Deno.errors.NotFound) && !/not empty/i.test(asError(error).message)) throw error;
    }
  }

  /** The lock is put in before anything else and goes last of all, so what is there without one is somebody else's. */
  async #assertOurs(): Promise<void> {
    const folder = await this.#attempt(() => infoOf(this.path));
    if (folder === undefined) return;
    const refused = (why: string) =>
      new P2pError("state_foreign", `"${this.path}" is no state folder: ${why}`, {
        hint: "Name a folder that is empty or not there with --state",
      });
    const isLocked = async () => await infoOf(this.file("lock")) !== undefined;
    // Before the lock is looked for: a command that ends removes them before it.
    const found = await this.#attempt(() => this.#found());
    if (found !== undefined && !await this.#attempt(isLocked) && await this.#attempt(() => this.#found())) {
      throw refused(`it has "${found}", which no \`localnet up\` put there`);
    }
    // Whoever may write here says which process is a node, and where the token goes.
    if (folder.uid !== null && folder.uid !== Deno.uid()) throw refused("it belongs to another user");
    if (((folder.mode ?? 0) & 0o002) !== 0) throw refused("everybody may write to it");
  }

  async #found(): Promise<string | undefined> {
    for (const part of PARTS) if (await infoOf(this.file(part)) !== undefined) return part;
    return undefined;
  }

  async #clear(): Promise<void> {
    for (const part of PARTS) {
      await removeIfThere(this.file(part));
      await removeIfThere(this.file(`${part}.new`));
    }
  }

  /** Whether the lock that was taken is still the one that others find: who removes the folder removes it. */
  async #isLock(file: Deno.FsFile): Promise<boolean> {
    try {
      return (await file.stat()).ino === (await Deno.stat(this.file("lock"))).ino;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      const { message, code } = asError(cause) as Error & { code?: string };
      throw new P2pError("state_unwritable", `Cannot write to state folder "${this.path}": ${message}`, {
        cause,
        hint: code === "ENOSPC"
          ? "Make room on the disk, or choose another folder with --state"
          : "Choose another folder with --state",
      });
    }
  }
}

async function infoOf(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
