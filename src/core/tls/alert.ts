/** Alerts that end a handshake (RFC 8446 §6.2; `missing_extension` for a name that was not sent: §9.2). */
export const ALERT = {
  decode_error: 50,
  internal_error: 80,
  missing_extension: 109,
  unrecognized_name: 112,
} as const;

export type Alert = keyof typeof ALERT;

/** A record with a fatal alert, as it may be sent before any answer to a ClientHello. */
export function alertRecord(alert: Alert): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, 2, ALERT[alert]);
}
