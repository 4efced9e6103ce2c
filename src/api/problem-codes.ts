/** Each `code` that a problem of this API may have. A code never changes its meaning; docs/api.md has the same table. */

export interface ProblemKind {
  readonly status: number;
  readonly meaning: string;
  /** What the client should do. */
  readonly action: string;
}

export const PROBLEM_KINDS = {
  invalid_request: {
    status: 400,
    meaning: 'the request does not fit its schema',
    action: 'mend what `problems` lists',
  },
  bad_request: {
    status: 400,
    meaning: 'the request cannot be read: its body is no JSON, or its URL no URL',
    action: 'mend the request; `detail` says where, and `problems` has line and column',
  },
  invalid_name: { status: 400, meaning: 'a DNS name is none', action: 'mend the name' },
  invalid_type: { status: 400, meaning: 'an RR type is none', action: 'name a type, or TYPE123' },
  invalid_subnet: {
    status: 400,
    meaning: 'a client address or prefix is none',
    action: 'write 192.0.2.1 or 192.0.2.0/24',
  },
  unknown_subject: {
    status: 400,
    meaning: 'what is supposed to be down or up is no region, pool or endpoint',
    action: 'take one of the names in `detail`',
  },
  static_answer: {
    status: 422,
    meaning: 'the record is not dynamic: every client gets the same',
    action: 'ask `GET /v1/explain`',
  },
  too_many_records: {
    status: 422,
    meaning: 'the zone has more dynamic records than one simulation takes',
    action: 'ask for names',
  },
  busy: {
    status: 503,
    meaning: 'too much waits already: writes, plans, simulations, or 256 MiB of large bodies',
    action: 'send it again in some seconds',
  },
  simulation_failed: {
    status: 503,
    meaning: 'the simulation took too long, or its thread ended',
    action: 'ask for less: one name, fewer places; the log says more',
  },
  invalid_cursor: {
    status: 400,
    meaning: 'the cursor is of another list, or none',
    action: 'take `next` of the page before, or begin without a cursor',
  },
  invalid_idempotency_key: {
    status: 400,
    meaning: 'the header `Idempotency-Key` is empty, too long, or has other characters than those of ASCII',
    action: 'send 1 to 255 visible characters, a UUID for instance',
  },
  unauthorized: {
    status: 401,
    meaning: 'no token was sent, or nobody has it (any more)',
    action: 'send `Authorization: Bearer TOKEN`',
  },
  forbidden: {
    status: 403,
    meaning: 'the token may not do this',
    action: 'use a token with the role that `detail` names',
  },
  exceeds_creator: {
    status: 403,
    meaning: 'the new token would give more than the token that asks for it has',
    action: 'ask for less, or with a token that may do more',
  },
  gitops: {
    status: 403,
    meaning: 'zones of this node change only by their files',
    action: 'make the change in the repository; steering is open',
  },
  not_found: { status: 404, meaning: 'there is no such route or thing', action: 'look at the URL' },
  no_such_target: {
    status: 404,
    meaning: 'no endpoint, pool or region has this name now',
    action: 'look for it with `GET /v1/steering` and `GET /v1/zones`; `detail` may name what is near',
  },
  not_steered: {
    status: 404,
    meaning: 'there is no such force, dial, maintenance window or rollout',
    action: 'look for it with `GET /v1/steering`',
  },
  too_slow: { status: 408, meaning: 'the request did not arrive in time', action: 'send it again' },
  in_flight: {
    status: 409,
    meaning: 'a request with this `Idempotency-Key` is being worked on',
    action: 'wait, then send the same again',
  },
  already_done: {
    status: 409,
    meaning: 'a request with this `Idempotency-Key` made a secret, which is shown only once',
    action: 'revoke the token that was made, and make another one',
  },
  name_taken: { status: 409, meaning: 'something else has the name', action: 'choose another name' },
  last_admin: {
    status: 409,
    meaning: 'it is the last token of the role admin',
    action: 'make another one first, or ask with `force=true`',
  },
  not_served: {
    status: 409,
    meaning: 'the name is in no zone of this server',
    action: 'name one that is, or load its zone first',
  },
  not_answered: {
    status: 409,
    meaning: 'the name is delegated, or has a CNAME or DNAME: what would stand at it is never answered',
    action: 'take a name that this server answers for itself',
  },
  rollout_refused: {
    status: 409,
    meaning: 'the rollout can not begin now, or is in another state than this needs',
    action: 'do what `detail` says; look at `GET /v1/steering/rollouts`',
  },
  limit_reached: {
    status: 409,
    meaning: 'there are as many as there may be',
    action: 'remove what is not needed any more',
  },
  conflict: {
    status: 409,
    meaning: 'something else was changed in between',
    action: 'look at what came in between, then send it again',
  },
  not_kept: {
    status: 409,
    meaning: 'the history does not hold what the change needs',
    action: 'put the files of `files` in place by hand',
  },
  plan_applied: {
    status: 409,
    meaning: 'the plan was applied already',
    action: 'make a new plan',
  },
  plan_invalid: {
    status: 409,
    meaning: 'the plan has mistakes, or changes nothing',
    action: 'mend what its `problems` list, and plan again',
  },
  unsupported: {
    status: 409,
    meaning: 'this node can not do this',
    action: '`detail` says why',
  },
  not_alone: {
    status: 409,
    meaning: 'what the request names is in one piece with something else',
    action: 'name both, as `detail` says',
  },
  not_editable: {
    status: 409,
    meaning: 'the file of the zone is of a form that can not be changed in place',
    action: 'put the whole zone, or change the file by hand',
  },
  outside_folder: {
    status: 409,
    meaning: 'a file is a link that leads out of the zone folder',
    action: 'put the file itself into the zone folder',
  },
  bad_file_name: {
    status: 409,
    meaning: 'a file has a name or content that the zone folder can not have',
    action: '`detail` says what is allowed',
  },
  precondition_failed: {
    status: 412,
    meaning: 'what the change is based on (`If-Match`) is not the newest any more',
    action: 'read it again, decide, and send it with the new ETag',
  },
  too_large: { status: 413, meaning: 'the body is too large', action: 'send less at once' },
  uri_too_long: { status: 414, meaning: 'a part of the URL is too long', action: 'shorten it' },
  unsupported_media_type: {
    status: 415,
    meaning: 'the body is of a type that the route does not take',
    action: 'send `Content-Type: application/json`',
  },
  key_reused: {
    status: 422,
    meaning: 'this `Idempotency-Key` came with another request before',
    action: 'take a new key for each change',
  },
  invalid_zones: {
    status: 422,
    meaning: 'the zones would have mistakes',
    action: 'mend what `problems` lists',
  },
  precondition_required: {
    status: 428,
    meaning: 'the change needs `If-Match`',
    action: 'send the ETag of what it is based on',
  },
  rate_limited: {
    status: 429,
    meaning: 'too many requests, or too many wrong tokens',
    action: 'wait as long as `Retry-After` says',
  },
  headers_too_large: { status: 431, meaning: 'the head of the request is too large', action: 'shorten it' },
  internal: { status: 500, meaning: 'a fault of the server', action: 'look for the request id in its log' },
  not_saved: {
    status: 503,
    meaning: 'the change could not be written to the state folder; nothing changed',
    action: 'mend the disk, then send it again',
  },
  read_only: {
    status: 503,
    meaning: 'a folder can not be written; nothing changed',
    action: 'mend the folder, then send it again',
  },
  storage_failed: {
    status: 503,
    meaning: 'the disk failed, or something on it is damaged; nothing changed',
    action: 'mend the disk, then send it again',
  },
  edit_failed: {
    status: 503,
    meaning: 'a change of a large zone took too long, or too much memory; nothing changed',
    action: 'make smaller zones, or try again when the node has less to do',
  },
  plan_failed: {
    status: 503,
    meaning: 'a plan could not be made, or took too long; nothing changed',
    action: 'read `detail`; plan fewer zones at once',
  },
  not_ready: { status: 503, meaning: 'no zone is served', action: 'see `GET /v1/status`' },
  too_many_streams: {
    status: 503,
    meaning: 'there are too many readers of events',
    action: 'come back later',
  },
  storage_full: {
    status: 507,
    meaning: 'no space is left on the disk; nothing changed',
    action: 'make room, then send it again',
  },
} as const satisfies Readonly<Record<string, ProblemKind>>;

export type ProblemCode = keyof typeof PROBLEM_KINDS;
