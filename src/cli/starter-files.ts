/** The files of `meridian init`: small, commented, and good to run as they are, all on loopback. */

export interface StarterFile {
  readonly path: string;
  readonly text: string;
}

/** `origin`: a zone's name without the last dot, valid as a file name. */
export function starterFiles(origin: string): readonly StarterFile[] {
  return [
    { path: 'meridian.yaml', text: SERVER },
    { path: 'proxy.yaml', text: PROXY },
    { path: `zones/${origin}.yaml`, text: zoneText(origin) },
    { path: '.gitignore', text: IGNORED },
  ];
}

const SERVER = `# A DNS node: meridian serve. All keys: docs/configuration.md.
node: { name: dns-1, region: eu-west }

dns:
  # Port 53 of a public address, when you delegate a zone to this node.
  listen: ["127.0.0.1:5300"]

zones: ./zones # every .yaml file in it; changes are taken up by themselves
state: ./state # history, tokens, last good zones

api: { listen: "127.0.0.1:8300" } # state/admin.token opens it

# Where clients are. The embedded database knows countries; for production bring one with cities:
# geo: { database: /var/lib/GeoIP/GeoLite2-City.mmdb }

# A second node, which judges health together with this one. It needs its own name, and this line the other way round:
# report_to: [{ url: "https://dns-2.example.com:8300", token_file: ./dns-2.token, node: dns-2 }]
`;

const PROXY = `# A regional proxy: meridian proxy. All keys: docs/proxy.md.
node: { name: proxy-1, region: eu-west }

# It tells the DNS node what it sees, so that answers follow at once.
report_to: [{ url: "http://127.0.0.1:8300", token_file: ./state/report.token }]

admin: { listen: "127.0.0.1:8301" } # status, metrics, drain

listeners:
  - { listen: "127.0.0.1:8080", protocol: http, pool: web }

pools:
  web:
    balance: round_robin
    endpoints:
      - { address: "127.0.0.1:9000" } # your servers
      # - { address: "127.0.0.1:9001", weight: 2 }
    health: { type: http, path: /, interval: 2s, timeout: 1s, fall: 2 }
`;

const IGNORED = `# Tokens and history stay on this machine.
state/
`;

function zoneText(origin: string): string {
  return `# What is answered for ${origin}. All keys: docs/zone-files.md; check it with: meridian check zones
zone: ${origin}
ttl: 30
nameservers: # at least two, on different networks, when you delegate the zone
  ns1: { A: 127.0.0.1 }
soa: { contact: hostmaster.${origin} }

regions:
  eu-west: { location: [53.35, -6.26] } # latitude, longitude
  us-east: { location: [38.95, -77.45] }

monitors:
  web: { type: http, port: 8080, path: /, interval: 2s, timeout: 1s, fall: 2, rise: 1 }

pools:
  eu:
    region: eu-west
    monitor: web
    endpoints:
      # An address of a proxy of ours: its reports count beside the probes.
      - { A: 127.0.0.1, proxy: proxy-1, service: web }
    # fallback: us # who answers while all of eu is down
  # us:
  #   region: us-east
  #   monitor: web
  #   endpoints: [{ A: 192.0.2.10 }, { A: 192.0.2.11, weight: 2 }]
  #   fallback: eu

records:
  www:
    type: A
    dynamic:
      rules:
        # - { geos: [NA, SA], pool: us } # continents, countries (NA-US), provinces (NA-US-CA)
        - { pool: eu } # the last rule takes everybody else
  "": { type: TXT, values: ["served by Meridian"] }
`;
}
