// Writes schema/zone.schema.json from the schema that the program validates with. Run after `npm run build`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { zoneSchemaJson } from '../dist/sources/zone-schema.js';

mkdirSync('schema', { recursive: true });
writeFileSync('schema/zone.schema.json', zoneSchemaJson());
