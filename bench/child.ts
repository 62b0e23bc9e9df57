import { loadSide, type Side, type SideName } from "./side.ts";

/**
 * What a child process does: one end of a row, for one side. `report` prints a line of JSON that the parent reads, `hear` waits for the next line
 * that the parent says with {@link Child.tell}.
 */
export type Role<P> = (
  side: Side,
  parameters: P,
  report: (line: unknown) => void,
  hear: <T>() => Promise<T>,
) => Promise<void>;

/** How long a child may take to say its next line. */
const CHILD_DEADLINE_MS = 60_000;

/** A process that plays a role; killed when disposed, and it ends by itself when this one dies. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #what: string;

  /** Starts `script` (a row's file) in the role `role` of `side`. */
  constructor(script: string, role: string, side: SideName, parameters: unknown) {
    this.#what = `${side} ${role}`;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--quiet",
        "--no-check",
        "--v8-flags=--expose-gc",
        script,
        role,
        side,
        JSON.stringify(parameters),
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = linesOf(this.#process.stdout);
    this.#stdin = this.#process.stdin.getWriter();
  }

  /** Says a line to the child, which hears it as JSON. */
  async tell(line: unknown): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
  }

  /** The next line that the child reports. @throws {Error} when it ends or stays silent instead */
  async next<T>(): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`The ${this.#what} process said nothing for ${CHILD_DEADLINE_MS} ms`)),
        CHILD_DEADLINE_MS,
      );
    });
    try {
      const { value, done } = await Promise.race([this.#lines.read(), late]);
      if (done) throw new Error(`The ${this.#what} process ended before it reported a figure: see its error above`);
      return JSON.parse(value) as T;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills the process and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lines.cancel();
    try {
      this.#process.kill("SIGKILL");
    } catch (caught) {
      if (!(caught instanceof TypeError)) throw caught; // TypeError: it has ended already
    }
    await this.#stdin.abort().catch((caught) => {
      if (!(caught instanceof Deno.errors.BrokenPipe)) throw caught; // nobody reads any more: that was the point
    });
    await this.#process.status;
  }
}

/** A child's main program: plays the role named on its command line until the parent kills it or dies. */
export async function playRole<P>(roles: Record<string, Role<P>>): Promise<void> {
  const [name, side, parameters] = Deno.args;
  const role = roles[name];
  if (role === undefined) throw new TypeError(`Unknown role "${name}": wanted one of ${Object.keys(roles).join(", ")}`);
  const lines = linesOf(Deno.stdin.readable);
  const next = async (): Promise<string> => {
    const { value, done } = await lines.read();
    if (done) Deno.exit(0); // the parent is gone
    return value;
  };
  await role(
    await loadSide(side as SideName),
    JSON.parse(parameters),
    (line) => console.log(JSON.stringify(line)),
    async () => JSON.parse(await next()),
  );
  for (;;) await next();
}

/** Resolves after `ms`; children use it for warm-up and window, and divide by the time that really passed. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Counts per second: reads `count` after the warm-up and again after the window, or as soon as it has moved if nothing was done until then. */
export async function ratePerSecond(
  count: () => number,
  { warmupMs, windowMs }: { warmupMs: number; windowMs: number },
): Promise<number> {
  await sleep(warmupMs);
  const before = count();
  const start = performance.now();
  do await sleep(windowMs); while (count() === before);
  return (count() - before) / ((performance.now() - start) / 1000);
}

function linesOf(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamDefaultReader<string> {
  return bytes.pipeThrough(new TextDecoderStream()).pipeThrough(splitLines()).getReader();
}

function splitLines(): TransformStream<string, string> {
  let rest = "";
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) controller.enqueue(line);
    },
  });
}
