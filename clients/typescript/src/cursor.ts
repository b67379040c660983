import { InvalidArgument } from "./errors.js";

const FORM = /^([^\s:]+):(0|[1-9][0-9]*)$/;

/** A reader's place in the event log: the last revision that was read, and the log's epoch. As text: `epoch:revision`. */
export class Cursor {
  readonly epoch: string;
  readonly revision: number;

  constructor(epoch: string, revision: number) {
    this.epoch = epoch;
    this.revision = revision;
  }

  /** The cursor that the text is. Throws InvalidArgument. */
  static parse(text: string): Cursor {
    const [, epoch, digits] = FORM.exec(text.trim()) ?? [];
    const revision = Number(digits);
    if (epoch === undefined || !Number.isSafeInteger(revision)) {
      const right = "a cursor is epoch:revision, for example 5f0c2a19d3b84e67:1042";
      throw InvalidArgument.of("cursor", `${right}; not ${JSON.stringify(text.trim())}`);
    }
    return new Cursor(epoch, revision);
  }

  toString(): string {
    return `${this.epoch}:${this.revision}`;
  }
}
