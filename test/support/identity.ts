import { createCookieKeys, type Identity, setCookieKeys, txtRdata } from '../../src/core/answer/identity.js';

/** A node that tells everything; `secrets` in hexadecimal digits. */
export function testIdentity(
  options: { readonly secrets?: readonly string[]; readonly name?: string } = {},
): Identity {
  const cookieKeys = createCookieKeys();
  setCookieKeys(
    cookieKeys,
    (options.secrets ?? []).map((secret) => Buffer.from(secret, 'hex')),
  );
  const name = Buffer.from(options.name ?? 'dns-1');
  return { nsid: name, version: txtRdata(Buffer.from('Meridian 9')), id: txtRdata(name), cookieKeys };
}

/** Every node hides what it is and makes no cookies. */
export function hiddenIdentity(): Identity {
  const nothing = new Uint8Array(0);
  return { nsid: nothing, version: nothing, id: nothing, cookieKeys: createCookieKeys() };
}
