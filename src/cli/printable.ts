/** Colours as this program writes them (ECMA-48, SGR). */
const COLOUR = `${String.fromCharCode(27)}\\[[0-9;]*m`;
/** They, or anything else that a terminal would not print. */
const UNPRINTED = new RegExp(`(${COLOUR})|(?![\\n\\t])\\p{Cc}|\\p{Cf}`, 'gu');

/**
 * Text of records, files and messages as a terminal may get it: whoever may write a record must not move the cursor, set
 * the title or turn the direction of whoever reads it. Colours stay.
 */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTED, (_, colour?: string) => colour ?? '\u{FFFD}');
}
