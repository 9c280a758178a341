// Where a watch is in the stream of changes of its kind: only ever ahead, and given up where the API server does not go
// on from there.

import { TooLongError } from "./body.ts";
import { ApiError } from "./client.ts";

/** Failures in a row, with nothing learned between them, after which the kind is listed anew. */
const MOST_REFUSALS = 3;
/** Refusals that say nothing of the place: who asks, how often, and whether anybody answers. */
const OF_NO_PLACE: ReadonlySet<number> = new Set([401, 403, 404, 429, 502, 503]);

export class WatchPlace {
  #version = "";
  #refusals = 0;

  /** resourceVersion; "": the kind is to be listed. */
  get version(): string {
    return this.#version;
  }

  /** Behind a list, wherever the place was. */
  begin(version: string): void {
    this.#version = version;
    this.#refusals = 0;
  }

  /** To where a line of the watch says; one that is behind, or says nothing, moves nothing. */
  advance(version: string): void {
    if (version === "" || isOlder(version, this.#version)) return;
    this.begin(version);
  }

  /** The API server has forgotten the place. */
  forget(): void {
    this.begin("");
  }

  /**
   * A list or a watch failed. Some places lead nowhere for ever: one of the future, after etcd was restored; one before
   * a line that cannot be read.
   */
  fail(error: unknown): void {
    if (error instanceof ApiError ? OF_NO_PLACE.has(error.status) : !isUnreadable(error)) return;
    this.#refusals++;
    if (this.#refusals >= MOST_REFUSALS) this.forget();
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof TooLongError || error instanceof SyntaxError;
}

/** Versions are numbers where they can be compared at all. */
function isOlder(version: string, than: string): boolean {
  if (!/^[1-9]\d*$/.test(version) || !/^[1-9]\d*$/.test(than)) return false;
  return version.length === than.length ? version < than : version.length < than.length;
}
