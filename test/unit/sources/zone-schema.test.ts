import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { zoneSchemaJson } from '../../../src/sources/zone-schema.js';

it('schema/zone.schema.json is what the program validates with (scripts/generate-schema.mjs writes it)', () => {
  const file = join(import.meta.dirname, '../../../schema/zone.schema.json');
  expect(readFileSync(file, 'utf8')).toBe(zoneSchemaJson());
});
