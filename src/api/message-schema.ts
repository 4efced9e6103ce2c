/** Why a change is made, as the history takes it: new lines and tabs, and no other control characters (C0, DEL, C1). */
export const MESSAGE_TEXT = {
  pattern: '^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$',
  title: 'a text without control characters',
} as const;
