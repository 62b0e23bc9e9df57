import type { Clock } from "../base/clock.ts";
import type { Io } from "./io.ts";

/** Marks text; returns it as it is where colours are unwanted. */
export type Paint = (text: string) => string;

/** The few colours we use, by what they mean. */
export interface Palette {
  /** Headings. */
  readonly bold: Paint;
  /** What may be skipped. */
  readonly dim: Paint;
  /** It holds. */
  readonly green: Paint;
  /** It is odd. */
  readonly yellow: Paint;
  /** It failed. */
  readonly red: Paint;
  /** Names worth finding. */
  readonly cyan: Paint;
}

/** Colours for one stream: none unless it is a terminal, none with a non-empty `NO_COLOR` or with `TERM=dumb`. */
export function palette(io: Io, stream: "stdout" | "stderr" = "stdout"): Palette {
  const on = io.isTerminal[stream] && !io.env("NO_COLOR") && io.env("TERM") !== "dumb";
  const paint = (code: number, end: number): Paint => (text) => on ? `\x1b[${code}m${text}\x1b[${end}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    green: paint(32, 39),
    yellow: paint(33, 39),
    red: paint(31, 39),
    cyan: paint(36, 39),
  };
}

/** One column of a {@link table}. */
export interface Column {
  /** What stands above it. */
  title: string;
  /** Numbers go right. @default {"left"} */
  align?: "left" | "right";
}

/** Rows under aligned titles, a line each, ending in a newline. Cells may be coloured: escape codes take no room. */
export function table(columns: readonly Column[], rows: readonly (readonly (string | number)[])[]): string {
  const lines = [
    columns.map((column) => column.title),
    ...rows.map((row) => columns.map((_, i) => String(row[i] ?? ""))),
  ];
  // A million rows are more than a call takes arguments.
  const widths = columns.map((_, i) => lines.reduce((widest, line) => Math.max(widest, visibleWidth(line[i])), 0));
  const pad = (cell: string, i: number) => {
    const blank = " ".repeat(widths[i] - visibleWidth(cell));
    return columns[i].align === "right" ? blank + cell : cell + blank;
  };
  return lines.map((line) => `${line.map(pad).join("  ").trimEnd()}\n`).join("");
}

// deno-lint-ignore no-control-regex -- the escape character is what colours begin with
const ESCAPES = /\x1b\[[0-9;]*m/g;

function visibleWidth(text: string): number {
  return [...text.replaceAll(ESCAPES, "")].length;
}

/** `1 node`, `2 nodes`. */
export function counted(count: number, one: string, many: string = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** What {@link Progress} needs beside the streams. */
export interface ProgressOptions {
  /** Time as the command sees it. */
  clock: Clock;
  /** Work that ends sooner shows nothing. @default {1000} */
  afterMs?: number;
}

/**
 * One line on standard error that says what is going on, shown once the work has lasted a second and only on a terminal.
 * Dispose of it before printing results: the line is wiped.
 */
export class Progress implements Disposable {
  readonly #io: Io;
  readonly #cancel: () => void;
  #text = "";
  #shown = false;

  /** Nothing is shown yet. */
  constructor(io: Io, { clock, afterMs = 1000 }: ProgressOptions) {
    this.#io = io;
    this.#cancel = io.isTerminal.stderr
      ? clock.after(afterMs, () => {
        this.#shown = true;
        this.#draw();
      })
      : () => {};
  }

  /** Replaces the line; cut to the width of the terminal. */
  update(text: string): void {
    this.#text = text;
    if (this.#shown) this.#draw();
  }

  /** Wipes the line. */
  [Symbol.dispose](): void {
    this.#cancel();
    if (this.#shown) this.#io.stderr("\r\x1b[K");
    this.#shown = false;
  }

  #draw(): void {
    this.#io.stderr(`\r\x1b[K${[...this.#text].slice(0, this.#io.columns - 1).join("")}`);
  }
}
