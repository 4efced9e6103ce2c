import { type ContentCoding, chooseCoding } from '../../core/http/accept-encoding.js';
import {
  type CompressionModel,
  type CompressionRefusal,
  compressionEdits,
  compressionRefusal,
} from '../../core/http/compression.js';
import type { FieldEdits } from '../../core/http/field-edits.js';
import type { Head } from '../../core/http/head.js';
import type { ResponseFacts } from '../../core/http/hygiene.js';
import { COMPRESSION_CELL, type CompressionOutcome, LISTENER_CELL } from '../cells.js';
import type { Encoder, EncoderOwner, Encoders } from './encoder.js';

/** What becomes of one response. */
export interface CompressionPlan {
  /** For `writeResponseHead`. */
  readonly edits: FieldEdits | null;
  /** Null: the body stays as it is. */
  readonly encoder: Encoder | null;
}

/** A response as it is to be sent on. */
export interface CompressedResponse {
  readonly head: Head;
  readonly facts: ResponseFacts;
  /** What the client asked for. */
  readonly coding: ContentCoding | null;
  /** Changes by the route. */
  readonly edits: FieldEdits | null;
  /** It has a head only. */
  readonly bodiless: boolean;
  /** Chunks have to be said in the head: HTTP/1.1. */
  readonly chunks: boolean;
}

/** The compression of one listener: decides for each response, and counts what it decided. */
export class CompressionPolicy {
  readonly #model: CompressionModel;
  readonly #encoders: Encoders;
  readonly #offered: readonly ContentCoding[];
  /** As COMPRESSION_CELL says. */
  readonly #cells: Float64Array;

  /** `cells`: those of the listener. */
  constructor(model: CompressionModel, encoders: Encoders, cells: Float64Array) {
    this.#model = model;
    this.#encoders = encoders;
    this.#offered = model.codings.filter((coding) => encoders.codings.has(coding));
    this.#cells = cells.subarray(LISTENER_CELL.COMPRESSION);
  }

  /** What the sender of this request head prefers; null: no coding that we have. */
  choose(head: Head): ContentCoding | null {
    return chooseCoding(head.field('accept-encoding', ','), this.#offered);
  }

  /** Decides about a final response. The encoder is open then, and has to be ended or cancelled. */
  plan(response: CompressedResponse, owner: EncoderOwner): CompressionPlan {
    const { head, facts, edits, bodiless } = response;
    const refused = compressionRefusal(head, facts, this.#model);
    if (refused !== null) {
      this.#count(refused);
      return { edits, encoder: null };
    }
    const plain = (why: CompressionOutcome): CompressionPlan => {
      this.#count(why);
      return { edits: compressionEdits(head, edits, null, false), encoder: null };
    };
    const { coding } = response;
    if (coding === null) return plain('not_accepted');
    if (bodiless) return { edits: compressionEdits(head, edits, coding, false), encoder: null };
    const { effort } = this.#model;
    const encoder = this.#encoders.open({ coding, effort, prompt: facts.framing.kind !== 'length' }, owner);
    if (encoder === null) return plain('busy');
    this.#count(coding);
    const chunked = response.chunks && facts.framing.kind !== 'chunked';
    return { edits: compressionEdits(head, edits, coding, chunked), encoder };
  }

  /** Bytes of bodies before and after. */
  passed(bytesIn: number, bytesOut: number): void {
    const cells = this.#cells;
    cells[COMPRESSION_CELL.bytes_in] = cells[COMPRESSION_CELL.bytes_in]! + bytesIn;
    cells[COMPRESSION_CELL.bytes_out] = cells[COMPRESSION_CELL.bytes_out]! + bytesOut;
  }

  failed(): void {
    this.#count('failed');
  }

  #count(outcome: CompressionOutcome | CompressionRefusal): void {
    const cells = this.#cells;
    cells[COMPRESSION_CELL[outcome]] = cells[COMPRESSION_CELL[outcome]]! + 1;
  }
}
