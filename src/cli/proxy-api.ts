/** Where the administration of a proxy is, unless its configuration says so otherwise. */
export const PROXY_API = 'http://127.0.0.1:8301';
