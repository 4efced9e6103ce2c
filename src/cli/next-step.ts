/** What a person does next, by the `code` of a problem. What says it already, or names what is near, is not here. */
const BY_CODE: Readonly<Record<string, string>> = {
  forbidden: 'take a token of that role: `meridian token create NAME --role ROLE` makes one',
  gitops: 'change the zone file where it is kept; steering is open (`meridian drain`, `force`, `dial`)',
  no_such_target:
    '`meridian zone show ZONE` has the pools and endpoints, `meridian steering` what is steered',
  not_steered: '`meridian steering` shows what is',
  static_answer: 'ask `meridian explain` instead',
  conflict: 'look at `meridian history`, then do it again',
  precondition_failed: 'look at `meridian history`, then do it again',
  plan_applied: '`meridian history` shows it; `meridian plan` makes a new plan',
  last_admin: 'make another one first, or add --force',
  not_kept: '`meridian show ID --file PATH` prints what is kept',
  not_served: '`meridian zone list` shows the zones',
  busy: 'try again in some seconds',
  rate_limited: 'try again in a minute',
  not_ready: '`meridian status` says what is missing',
  storage_full: "make room on the server's disk, then do it again",
  read_only: 'make the folder writable for the server, then do it again',
  not_saved: "mend the server's disk, then do it again",
  storage_failed: "mend the server's disk, then do it again",
};

/** For accounts a name that is taken has one already; the name of a token is free to choose. */
const TAKEN: Readonly<Record<string, string>> = {
  tokens: 'choose another name',
  acme: '`meridian acme list` shows it, `meridian acme remove USERNAME` ends it',
};

/** For what is not found: by the beginning of the path that was asked for. The first that fits counts. */
const BY_PATH: readonly (readonly [path: RegExp, step: string])[] = [
  [/^\/v1\/zones\/[^/]+\/records/, '`meridian record list ZONE` shows the records'],
  [/^\/v1\/(zones|simulate)/, '`meridian zone list` shows the zones'],
  [/^\/v1\/tokens/, '`meridian token list` shows the tokens'],
  [/^\/v1\/revisions/, '`meridian history` shows the revisions'],
  [/^\/v1\/plans/, 'plans are kept for an hour, until the server restarts: `meridian plan` makes a new one'],
  [/^\/v1\/acme/, '`meridian acme list` shows the accounts'],
];

/** What to do about a problem that a server answered with; undefined where its words are enough. */
export function nextStep(code: string | undefined, path: string): string | undefined {
  if (code === 'not_found') return BY_PATH.find(([form]) => form.test(path))?.[1];
  if (code === 'name_taken') return TAKEN[path.split('/')[2] ?? ''];
  return code === undefined ? undefined : BY_CODE[code];
}
