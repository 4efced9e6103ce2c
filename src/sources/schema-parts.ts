/** What the sections of `meridian.yaml` are made of. */
import { Type } from 'typebox';
import { LISTEN_TITLE } from './listen-address.js';

export const strict = { additionalProperties: false } as const;
/** A section that may be left out: its keys then have their defaults. */
export const section = { additionalProperties: false, default: {} } as const;

export const Listen = Type.String({ maxLength: 64, title: LISTEN_TITLE });
export const File = Type.String({ minLength: 1, maxLength: 4096, title: 'a path' });
export const Prefix = Type.String({ maxLength: 64, title: 'a prefix such as 192.0.2.0/24 or 2001:db8::/32' });

export function name(description: string) {
  return Type.String({
    pattern: '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$',
    title: 'a name of at most 63 letters, digits, "_", "-" and "."',
    description,
  });
}

export function folder(fallback: string, description: string) {
  return Type.String({ minLength: 1, maxLength: 4096, title: 'a folder', default: fallback, description });
}

export function count(minimum: number, maximum: number, fallback: number, description: string) {
  return Type.Integer({ minimum, maximum, default: fallback, description });
}

export function choice<const T extends string>(values: readonly T[], fallback: T, description: string) {
  return Type.Enum([...values], { default: fallback, description });
}
