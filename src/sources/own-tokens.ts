/** Files in the state folder with the tokens that a node makes for itself. Alone here: commands need no more than the names. */
export const OWN_TOKENS = { admin: 'admin.token', report: 'report.token' } as const;
